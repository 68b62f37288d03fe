"""A run over sets in arrays, tar shards and tables: the values of folders, and each image read once."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from acceptance.runs import ALL, NINE, Passes, closed_form, examined
from PIL import Image
from support.gate import Gate
from support.tiny import CLASSES, MANIFEST

from quba_check.core.view import CORRUPTIONS, SEVERITIES, View
from quba_check.suites import Suite, open_suite

SETS = {
    "clean: {reader: folder, path: val,": "clean: {reader: arrays, path: clean.npz,",
    "{reader: folder, path: c,": "{reader: arrays, path: c,",
    "sketch: {reader: folder, path: sketch}": 'sketch: {reader: webdataset, path: "sketch-{0..1}.tar"}',
    "night: {reader: folder, path: night}": "night: {reader: hf, path: night, split: test}",
    "mixed_same: {reader: folder, path: mixed_same}": "mixed_same: {reader: parquet, path: same.parquet}",
    "{reader: folder, path: mixed_rand}": "{reader: arrays, images: x.npy, labels: y.npy}",
}


def stored(suite: Suite, name: str) -> tuple[list[np.ndarray], list[bytes], list[int]]:
    """Pixels, files and labels of a set."""
    examples = suite.examples(View(name))
    pixels = [np.asarray(suite.image(example)) for example in examples]
    return pixels, [suite.path(e).read_bytes() for e in examples], [e.label for e in examples]


def write_containers(folders: Path, root: Path) -> Path:
    """The suite in `folders`, with all of its sets but the cue conflicts in containers."""
    datasets.disable_progress_bars()
    suite = open_suite(folders)
    root.mkdir()
    shutil.copytree(folders / "cc", root / "cc")
    (root / "c").mkdir()
    for corruption in CORRUPTIONS:
        conditions = [View("corruptions", corruption, severity) for severity in SEVERITIES]
        examples = [example for view in conditions for example in suite.examples(view)]
        np.save(root / f"c/{corruption}.npy", [np.asarray(suite.image(example)) for example in examples])
        np.save(root / "c/labels.npy", [example.label for example in examples])
    pixels, _, labels = stored(suite, "clean")
    np.savez(root / "clean.npz", images=pixels, labels=labels)
    _, files, labels = stored(suite, "sketch")
    for shard in range(2):
        with tarfile.open(root / f"sketch-{shard}.tar", "w") as tar:
            for number in range(3 * shard, 3 * shard + 3):
                for suffix, content in (("png", files[number]), ("cls", CLASSES[labels[number]].encode())):
                    entry = tarfile.TarInfo(f"{number}.{suffix}")
                    entry.size = len(content)
                    tar.addfile(entry, io.BytesIO(content))
    pixels, _, labels = stored(suite, "night")
    backwards = datasets.ClassLabel(names=list(reversed(CLASSES)))
    rows = {"image": [Image.fromarray(image) for image in pixels], "label": [2 - k for k in labels]}
    table = datasets.Dataset.from_dict(rows, datasets.Features(image=datasets.Image(), label=backwards))
    datasets.DatasetDict(test=table).save_to_disk(root / "night")
    _, files, labels = stored(suite, "mixed_same")
    pq.write_table(pa.table({"image": files, "label": [CLASSES[k] for k in labels]}), root / "same.parquet")
    pixels, _, labels = stored(suite, "mixed_rand")
    np.save(root / "x.npy", pixels)
    np.save(root / "y.npy", labels)
    manifest = MANIFEST
    for old, new in SETS.items():
        assert old in manifest
        manifest = manifest.replace(old, new)
    (root / "quba-data.yaml").write_text(manifest, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def containers(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_containers(tiny_data, tmp_path_factory.mktemp("containers") / "data")


@pytest.mark.usefixtures("without_stored_check")
def test_values_are_those_of_folders_and_a_second_run_reads_no_image(
    gate: Gate, passes: Passes, containers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_folders = gate.judge(ALL).measurements
    opened: list[str] = []
    read = Suite.open_image
    monkeypatch.setattr(
        Suite,
        "open_image",
        lambda suite, example: opened.append(suite.label(example)) or read(suite, example),
    )
    before = passes()
    measured = gate.judge(ALL, data=containers, store=tmp_path / "store").measurements
    assert [measured[name].value for name in NINE] == [of_folders[name].value for name in NINE]
    assert passes() - before == closed_form()
    assert {str(containers / "clean.npz[images/8]"), str(containers / "sketch-1.tar[5.png]")} <= set(opened)
    gate.judge(ALL, data=containers, store=tmp_path / "store")
    assert passes() - before == closed_form(runs=2)


@pytest.mark.usefixtures("without_stored_check")
def test_another_pixel_in_a_container_is_predicted_again(
    gate: Gate, passes: Passes, containers: Path, tmp_path: Path
) -> None:
    root = Path(shutil.copytree(containers, tmp_path / "data"))
    demand = "dimensions: {object_focus: {min: 0.1}}"
    gate.judge(demand, data=root)
    before = passes()["forward"]
    pixels = np.load(root / "x.npy")
    pixels[0, 0, 0, 0] ^= 1
    np.save(root / "x.npy", pixels)
    gate.judge(demand, data=root)
    assert passes()["forward"] - before == len(pixels) + examined()
