"""ReaL's labels: several, another first one, none, and wrong files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.reading import listing, message, tree

from quba_check.core.view import CLEAN
from quba_check.suites.opening import open_suite
from quba_check.suites.readers.folder import folder_images

NAMES = [f"val/apple/ILSVRC2012_val_0000000{number}.JPEG" for number in (1, 2, 3, 4)]
CLASSES = ["apple", *(f"c{number}" for number in range(1, 1000))]
ROWS = [[0], [2, 0, 1], [], [2, 1]]


def real(root: Path, content: object, *names: str) -> Path:
    tree(root, *(names or NAMES))
    (root / "real.json").write_text(json.dumps(content))
    return root / "real.json"


def test_a_set_with_the_labels_of_real(tmp_path):
    real(tmp_path, ROWS)
    (tmp_path / "quba-data.yaml").write_text(
        "schema: 1\nname: fruit\nclasses: classes.txt\n"
        "sets:\n  clean: {reader: folder, path: val, partial: true, real_labels: real.json}\n"
    )
    (tmp_path / "classes.txt").write_text("\n".join(CLASSES))
    suite = open_suite(tmp_path)
    assert [(one.name, one.label, one.also) for one in suite.examples(CLEAN)] == [
        (NAMES[0], 0, ()),
        (NAMES[1], 0, (2, 1)),
        (NAMES[3], 2, (1,)),
    ]
    (tmp_path / "real.json").unlink()
    assert suite.missing(CLEAN) == f"the set 'clean' is missing: looked for {tmp_path}/real.json"


@pytest.mark.parametrize(
    ("content", "names", "text"),
    [
        (ROWS[:2], NAMES, "SET/real.json: has no list of classes for ILSVRC2012_val_00000003.JPEG."),
        ({"1": [0]}, NAMES, "SET/real.json: has no list of classes for ILSVRC2012_val_00000001.JPEG."),
        ([[1000]], NAMES, "SET/real.json[0]: unknown class number 1000. Allowed: 0 to 999 (apple, c1, "),
        (ROWS, ["val/apple/1.JPEG"], "SET/apple/1.JPEG: has no labels in real.json."),
    ],
)
def test_wrong_files(tmp_path, content, names, text):
    path = real(tmp_path, content, *names)
    shown = message(folder_images, tmp_path / "val", CLASSES, partial=True, real_labels=path)
    assert shown.replace(str(tmp_path), "SET").startswith(text)


def test_other_classes_than_those_of_imagenet(tmp_path):
    path = real(tmp_path, ROWS)
    shown = message(folder_images, tmp_path / "val", partial=True, real_labels=path)
    assert shown == f"{path}: numbers ImageNet's 1,000 classes, got 3. Allowed: classes: imagenet."


def test_without_the_file_nothing_changes(tmp_path):
    real(tmp_path, ROWS)
    assert [one.also for one in listing(folder_images, tmp_path / "val", partial=True)] == [()] * 4
