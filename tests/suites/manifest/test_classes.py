"""Class lists of manifests: with readable names, and in a file of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from quba_check.errors import SuiteError
from quba_check.suites.class_list import ClassList
from quba_check.suites.label_spaces import imagenet_classes, imagenet_titles
from quba_check.suites.manifest.reading import Manifest, read_manifest

SYNSETS = ClassList(("n01440764", "n01443537"), ("tench", "goldfish"))


def read(folder: Path, classes: str) -> Manifest:
    path = folder / "quba-data.yaml"
    path.write_text(f"schema: 1\nname: fish\nclasses: {classes}\nsets: {{}}\n", encoding="utf-8")
    return read_manifest(path, "quba-data.yaml")


def message(folder: Path, classes: str) -> str:
    with pytest.raises(SuiteError) as raised:
        read(folder, classes)
    return str(raised.value)


def test_classes_may_have_readable_names(tmp_path: Path) -> None:
    assert read(tmp_path, "{n01440764: tench, n01443537: goldfish}").classes == SYNSETS


def test_classes_may_be_in_a_file_next_to_the_manifest(tmp_path: Path) -> None:
    (tmp_path / "fish.txt").write_text("n01440764\ttench\nn01443537\tgoldfish\n\n", encoding="utf-8-sig")
    assert read(tmp_path, "fish.txt").classes == SYNSETS
    (tmp_path / "fish.txt").write_text("great white shark\neel\n")
    assert read(tmp_path, "fish.txt").classes == ClassList(
        ("great white shark", "eel"), ("great white shark", "eel")
    )


def test_a_class_file_that_is_not_there(tmp_path: Path) -> None:
    assert message(tmp_path, "fish.txt") == (
        f"quba-data.yaml:3: classes: {tmp_path}/fish.txt: there is no such file."
    )


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"eel\n", ": got one class. Allowed: two or more."),
        (b"eel\ncod\n\neel\tagain\n", ":4: 'eel' is listed twice, first in line 1."),
    ],
)
def test_mistakes_in_a_class_file(tmp_path: Path, content: bytes, text: str) -> None:
    (tmp_path / "fish.txt").write_bytes(content)
    assert message(tmp_path, "fish.txt") == f"{tmp_path}/fish.txt{text}"


def test_the_names_of_another_list_are_matched_by_name() -> None:
    classes = ClassList(("n1", "n2", "n3", "n4"), ("crane", "ox", "crane", "n1"))
    assert classes.positions_of(["ox", "n3", "n1", "emu"]) == [1, 2, 0, None]
    assert classes.positions_of(["crane", "ox", "crane"]) == [0, 1, 2]
    assert classes.positions_of(["ox", "crane"]) == [1, None]
    assert classes.positions_of(["crane", "ox2", "crane2"]) == [0, 1, 2]
    assert classes.positions_of(["ox2", "crane2"]) == [None, None]


def test_names_of_imagenet_on_hugging_face_are_its_synsets() -> None:
    classes = ClassList(imagenet_classes(), imagenet_titles())
    names = list(imagenet_titles())
    names[517] = "crane2"
    assert classes.positions_of(names) == list(range(1000))
    assert classes.positions_of(["goldfish, Carassius auratus", "n01440764", "goldfish"]) == [1, 0, None]
