"""Classes in file names: right layouts, and the exact text for every wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.suites import listing, message, short, tree

from quba_check.suites.readers.folder import cue_conflict_images, model_vs_human_images


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


def test_model_vs_human_names(tmp_path: Path) -> None:
    tree(
        tmp_path,
        "0002_ske_dnn_0_pear_00_pear-0001-sketch-0.png",
        "0001_ske_dnn_0_kiwi_00_a_b.png",
        "results.csv",
    )
    assert short(tmp_path, listing(model_vs_human_images, tmp_path)) == [
        ("0001_ske_dnn_0_kiwi_00_a_b.png", 2, -1),
        ("0002_ske_dnn_0_pear_00_pear-0001-sketch-0.png", 1, -1),
    ]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (
            ["pear_1.png"],
            "SET/pear_1.png: the name does not state a class. Expected: *_*_*_*_<category>_*.png.",
        ),
        (
            ["1_ske_dnn_0_peer_0.png"],
            "SET/1_ske_dnn_0_peer_0.png: unknown class 'peer'. Did you mean 'pear'? "
            "Allowed: apple, pear, kiwi.",
        ),
        ([], "SET: no images. Expected: files named *_*_*_*_<category>_*.png."),
    ],
)
def test_wrong_model_vs_human_names(tmp_path: Path, names: list[str], text: str) -> None:
    assert message(model_vs_human_images, tree(tmp_path, *names)) == text
