"""Training images in a folder, or listed in a text file."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.reading import tree

from quba_check.errors import SuiteError
from quba_check.suites.training_images import training_images


def message(path: Path) -> str:
    with pytest.raises(SuiteError) as raised:
        training_images(path)
    return str(raised.value).replace(str(path.parent), "DIR")


def test_a_folder_and_a_list_name_the_same_images(tmp_path):
    tree(tmp_path, "x/1.jpg", "x/deep/2.PNG", "x/notes.txt")
    (tmp_path / "list.txt").write_text(f"x/1.jpg\n\n{tmp_path}/x/deep/2.PNG\n")
    names = [f"{tmp_path}/x/1.jpg", f"{tmp_path}/x/deep/2.PNG"]
    assert [one.name for one in training_images(tmp_path / "x")] == names
    assert [one.name for one in training_images(tmp_path / "list.txt")] == names


def test_what_is_missing_is_named(tmp_path):
    (tmp_path / "list.txt").write_text("\n1.jpg\n")
    (tmp_path / "empty").mkdir()
    assert message(tmp_path / "train") == (
        "training: there is no DIR/train. Allowed: a folder of images, or a text file with a path a line."
    )
    assert (
        message(tmp_path / "list.txt")
        == "DIR/list.txt:2: there is no file DIR/1.jpg. Allowed: an image a line."
    )
    assert message(tmp_path / "empty") == (
        "training: DIR/empty names no images. Images end in .jpg, .jpeg, .jfif, .png, .ppm, .bmp, .pgm, "
        ".tif, .tiff, .webp."
    )
