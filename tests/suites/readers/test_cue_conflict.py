"""The reader `cue-conflict`: what it finds in a right layout, and the exact text for every wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.reading import listing, message, short, tree

from quba_check.suites.readers.cue_conflict import cue_conflict_images


def test_cue_conflict_names_in_one_folder_or_by_shape(tmp_path: Path) -> None:
    tree(
        tmp_path, "kiwi12-pear3.png", "apple/apple1-kiwi2.png", "apple/apple1-apple2.PNG", "apple/readme.txt"
    )
    assert short(tmp_path, listing(cue_conflict_images, tmp_path)) == [
        ("kiwi12-pear3.png", 2, 1),
        ("apple/apple1-apple2.PNG", 0, 0),
        ("apple/apple1-kiwi2.png", 0, 2),
    ]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (
            ["apple1.png"],
            "SET/apple1.png: the name does not state two cues. Expected: <shape><i>-<texture><j>.png.",
        ),
        (
            ["aple1-pear2.png"],
            "SET/aple1-pear2.png: unknown class 'aple'. Did you mean 'apple'? Allowed: apple, pear, kiwi.",
        ),
        (["kiwi/pear1-kiwi2.png"], "SET/kiwi/pear1-kiwi2.png: the shape is 'pear', got the folder 'kiwi'."),
        (["notes.txt"], "SET: no images. Expected: files named <shape><i>-<texture><j>.png."),
    ],
)
def test_wrong_cue_conflict_names(tmp_path: Path, names: list[str], text: str) -> None:
    assert message(cue_conflict_images, tree(tmp_path, *names)) == text


@settings(deadline=None, derandomize=True, max_examples=50)
@given(
    classes=st.lists(
        st.from_regex(r"[a-z][a-z0-9 ._-]{0,6}[a-z]", fullmatch=True), min_size=2, max_size=5, unique=True
    ),
    data=st.data(),
)
def test_cues_are_read_back_whatever_the_classes_are_called(
    tmp_path_factory: pytest.TempPathFactory, classes: list[str], data: st.DataObject
) -> None:
    shape, texture = (
        data.draw(st.integers(0, len(classes) - 1)),
        data.draw(st.integers(0, len(classes) - 1)),
    )
    root = tmp_path_factory.mktemp("cues")
    tree(root, f"{classes[shape]}{data.draw(st.integers(0, 99))}-{classes[texture]}7.png")
    (image,) = listing(cue_conflict_images, root, classes)
    assert (image.label, image.texture) == (shape, texture)
