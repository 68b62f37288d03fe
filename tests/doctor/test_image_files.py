"""Images in containers are checked like files, and files that are not read are named."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image
from support.tiny import CLASSES, picture, write_pictures

from quba_check.demo import CLASSES as DEMO_CLASSES
from quba_check.doctor.sets import check_images
from quba_check.doctor.subject import ModelUnderTest, TimeBudget
from quba_check.models.classifier import Classifier
from quba_check.models.loading import load_classifier
from quba_check.models.request import LoadRequest
from quba_check.suites.opening import open_suite

MANIFEST = f"""\
schema: 1
name: tarred
classes: [{", ".join(CLASSES)}]
image_size: 8
sets:
  clean: {{reader: webdataset, path: shards}}
"""


def demo() -> Classifier:
    return load_classifier("demo", LoadRequest(classes=DEMO_CLASSES, device="cpu"))


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def write_shard(root: Path, images: dict[str, bytes]) -> None:
    (root / "shards").mkdir(parents=True)
    (root / "quba-data.yaml").write_text(MANIFEST, encoding="utf-8")
    with tarfile.open(root / "shards" / "00.tar", "w") as tar:
        for k, (name, payload) in enumerate(images.items()):
            for suffix, content in (("png", payload), ("cls", str(k % 3).encode())):
                info = tarfile.TarInfo(f"{name}.{suffix}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))


def test_a_broken_and_a_deep_member_are_reported(tmp_path: Path) -> None:
    images = {f"{k:02d}": png(picture(k)) for k in range(6)}
    images["01"] = images["01"][:60]
    images["04"] = png(np.full((8, 8), 40_000, np.uint16))
    write_shard(tmp_path, images)
    subject = ModelUnderTest(demo(), open_suite(tmp_path))
    assert [finding.text().splitlines()[:2] for finding in check_images(subject)] == [
        [
            "clean: 1 of 6 checked images cannot be decoded.",
            "  evidence: shards/00.tar[01.png] (image file is truncated)",
        ],
        [
            "clean: 1 of 6 checked images lose values in 8 bits.",
            "  evidence: shards/00.tar[04.png] (I;16, 40000 to 40000)",
        ],
    ]
    assert (subject.decoded, len(subject.sample())) == (6, 5)


def test_files_that_are_not_read_are_a_remark(tmp_path: Path) -> None:
    write_pictures(tmp_path / "val", 0, 2)
    (tmp_path / "val" / CLASSES[1] / "0.gif").write_bytes(b"")
    manifest = MANIFEST.replace("webdataset, path: shards", "folder, path: val")
    (tmp_path / "quba-data.yaml").write_text(manifest)
    (finding,) = check_images(ModelUnderTest(demo(), open_suite(tmp_path)))
    assert (finding.problem, finding.severity) == ("clean: 1 file is not read: brick/0.gif.", "remark")
    assert list(check_images(ModelUnderTest(demo(), open_suite(tmp_path), short=True))) == []


def test_decoding_takes_a_third_of_the_time(demo_suite) -> None:
    subject = ModelUnderTest(demo(), demo_suite)
    subject.budget = TimeBudget(300, clock=lambda: subject.decoded)
    assert list(check_images(subject)) == []
    assert subject.decoded in range(100, 132)
    assert list(subject.budget.left_out) == ["image files"]
