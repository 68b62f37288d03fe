"""Findings on missing or incomplete sets, with the demands that need them, and on unusable images."""

import io
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.tiny import CLASSES, picture, write_pictures, write_suite
from syrupy.assertion import SnapshotAssertion

from quba_check.demo import CLASSES as DEMO_CLASSES
from quba_check.doctor.sets import check_images, check_sets
from quba_check.doctor.subject import ModelUnderTest, TimeBudget
from quba_check.models.classifier import Classifier
from quba_check.models.loading import load_classifier
from quba_check.models.request import LoadRequest
from quba_check.suites.opening import open_suite
from quba_check.suites.sampling import SubsetSampler
from quba_check.suites.suite import Suite

Change = Callable[[Path], object]
NEEDS = {
    "accuracy": ["g.yaml:3"],
    "corruption_robustness": ["g.yaml:4"],
    "ood_robustness": ["g.yaml:5", "h.yaml:9"],
    "class_balance": ["g.yaml:6"],
    "object_focus": ["g.yaml:7"],
}


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return load_classifier("demo", LoadRequest(classes=DEMO_CLASSES, device="cpu"))


def edit(root: Path, old: str, new: str) -> None:
    path = root / "quba-data.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def replaced(old: str, new: str) -> Change:
    return lambda root: edit(root, old, new)


def removed(*paths: str) -> Change:
    return lambda root: [shutil.rmtree(root / path) for path in paths]


def without_files(*files: str) -> Change:
    return lambda root: [(root / file).unlink() for file in files]


def one_condition_larger(root: Path) -> None:
    edit(root, "path: c, prepared: true", "path: c, prepared: true, expected: 3")
    shutil.copy(root / "c/fog/1/apple/000.png", root / "c/fog/1/apple/1.png")


def smaller_sets(root: Path) -> None:
    shutil.rmtree(root)
    write_suite(root, per_class=5)
    edit(root, ", expected: 9", "")
    without_files(*(f"mixed_rand/{name}/001.png" for name in CLASSES))(root)
    edit(root, "path: mixed_rand", "path: mixed_rand, partial: true")
    shutil.rmtree(root / "mixed_rand/apple")


def few_of_a_class(root: Path) -> None:
    edit(root, "path: val, expected: 9", "path: val, expected: 7")
    without_files("val/apple/000.png", "val/apple/001.png")(root)


def without_conflicts(root: Path) -> None:
    for path in sorted((root / "cc").iterdir()):
        shape, texture = (name.rstrip("12") for name in path.stem.split("-"))
        if shape != texture:
            path.unlink()


def an_empty_class(each: int) -> Change:
    def change(root: Path) -> None:
        edit(root, "path: val, expected: 9", "path: val, partial: true")
        shutil.rmtree(root / "val" / "brick")
        for name in set(CLASSES) - {"brick"}:
            for k in range(each):
                Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(root / "val" / name / f"{k:03d}.png")

    return change


SHIFTS = "    sketch: {reader: folder, path: sketch}\n    night: {reader: folder, path: night}\n"
TITLES = "{apple: 'apple, pomme', brick: 'brick, red', cloud: 'brick, blue'}"
ACCURACY = {"accuracy": ["g.yaml:3"]}
BALANCE = {"class_balance": ["g.yaml:6"]}
BIAS = {"shape_bias": ["g.yaml:9"]}
CASES: dict[str, tuple[Change, dict[str, list[str]], int | None]] = {
    "a missing set": (removed("night"), NEEDS, None),
    "a set of several dimensions": (removed("val"), NEEDS, None),
    "missing conditions": (removed("c/fog/3", "c/snow"), NEEDS, None),
    "no shifts": (replaced(f"  shifts:\n{SHIFTS}", ""), NEEDS, None),
    "much smaller sets": (smaller_sets, NEEDS, None),
    "an incomplete set": (without_files("val/apple/000.png"), NEEDS, None),
    "a condition of another size": (one_condition_larger, NEEDS, None),
    "an invalid layout": (lambda root: (root / "night/cloud").rename(root / "night/clouds"), NEEDS, None),
    "one image of a class": (few_of_a_class, NEEDS, None),
    "names of classes end at their first comma": (replaced(f"[{', '.join(CLASSES)}]", TITLES), *(BALANCE, 3)),
    "a shape bias without conflicts": (without_conflicts, BIAS, None),
    "a limit that is too low": (lambda root: None, NEEDS, 3),
    "an empty class that chance would fill": (an_empty_class(9), ACCURACY, None),
}
HEALTHY: dict[str, tuple[Change, dict[str, list[str]], int | None]] = {
    "a complete suite": (lambda root: None, NEEDS, None),
    "a missing set that nothing needs": (removed("night"), ACCURACY, None),
    "one image of a class for accuracy": (few_of_a_class, ACCURACY, None),
    "conditions of the expected size": (
        replaced("path: c, prepared: true", "path: c, prepared: true, expected: 3"),
        *(NEEDS, None),
    ),
    "a low limit for accuracy": (lambda root: None, ACCURACY, 3),
    "an empty class that chance explains": (an_empty_class(3), ACCURACY, None),
}


def findings(
    classifier: Classifier, root: Path, change: Change, needs: dict[str, list[str]], limit: int | None
) -> list[str]:
    change(write_suite(root))
    subject = ModelUnderTest(classifier, open_suite(root, SubsetSampler(limit)), needs=needs)
    texts = [f"{one.severity}: {one.text()}".replace(str(root), "DATA") for one in check_sets(subject)]
    assert (subject.decoded, subject.forwards) == (0, 0)
    return texts


@pytest.mark.parametrize("name", CASES)
def test_findings(classifier: Classifier, tmp_path: Path, name: str, snapshot: SnapshotAssertion) -> None:
    assert "\n".join(findings(classifier, tmp_path / "data", *CASES[name])) == snapshot


@pytest.mark.parametrize("name", HEALTHY)
def test_complete_sets(classifier: Classifier, tmp_path: Path, name: str) -> None:
    assert findings(classifier, tmp_path / "data", *HEALTHY[name]) == []


def test_a_model_without_gradients_is_reported(classifier: Classifier, tmp_path: Path) -> None:
    silent = replace(classifier, no_gradient="it is run by onnxruntime, which gives no gradients")
    needs = {"adversarial_robustness": ["g.yaml:4"]}
    assert findings(silent, tmp_path / "data", lambda root: None, needs, None) == [
        "problem: adversarial_robustness cannot be measured: it is run by onnxruntime, which gives no "
        "gradients.\n  evidence: demanded by g.yaml:4\n  fix: remove the demand"
    ]


MANIFEST = f"""\
schema: 1
name: tarred
classes: [{", ".join(CLASSES)}]
image_size: 8
sets:
  clean: {{reader: webdataset, path: shards}}
"""


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


def test_a_broken_and_a_deep_member_are_reported(classifier: Classifier, tmp_path: Path) -> None:
    images = {f"{k:02d}": png(picture(k)) for k in range(6)}
    images["01"] = images["01"][:60]
    images["04"] = png(np.full((8, 8), 40_000, np.uint16))
    write_shard(tmp_path, images)
    subject = ModelUnderTest(classifier, open_suite(tmp_path))
    assert [finding.text().splitlines()[:2] for finding in check_images(subject)] == [
        [
            "clean: images cannot be decoded: 1 of 6 checked.",
            "  evidence: shards/00.tar[01.png] (image file is truncated)",
        ],
        [
            "clean: images lose values in 8 bits: 1 of 6 checked.",
            "  evidence: shards/00.tar[04.png] (I;16, 40000 to 40000)",
        ],
    ]
    assert (subject.decoded, len(subject.sample())) == (6, 5)


def test_files_that_are_not_read_are_a_remark(classifier: Classifier, tmp_path: Path) -> None:
    write_pictures(tmp_path / "val", 0, 2)
    (tmp_path / "val" / CLASSES[1] / "0.gif").write_bytes(b"")
    manifest = MANIFEST.replace("webdataset, path: shards", "folder, path: val")
    (tmp_path / "quba-data.yaml").write_text(manifest)
    (finding,) = check_images(ModelUnderTest(classifier, open_suite(tmp_path)))
    assert (finding.problem, finding.severity) == ("clean: 1 file is not read: brick/0.gif.", "remark")
    assert list(check_images(ModelUnderTest(classifier, open_suite(tmp_path), short=True))) == []


def test_decoding_takes_a_third_of_the_time(classifier: Classifier, demo_suite: Suite) -> None:
    subject = ModelUnderTest(classifier, demo_suite)
    subject.budget = TimeBudget(300, clock=lambda: subject.decoded)
    assert list(check_images(subject)) == []
    assert subject.decoded in range(100, 132)
    assert list(subject.budget.left_out) == ["image files"]
