"""The reader `folder`: what it finds in a right layout, and the exact text for every wrong one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.reading import listing, message, short, tree

from quba_check.suites.readers.folder import folder_images


def test_folders_are_matched_by_name_and_sorted_by_it(tmp_path: Path) -> None:
    tree(tmp_path, "pear/b.JPEG", "pear/a.png", "kiwi/1.Tif", "apple/0.webp", "kiwi/2.jfif")
    tree(tmp_path, "pear/notes.txt", "pear/.hidden.png", "kiwi/deep/x.png", ".thumbnails/x.png", "README.md")
    assert short(tmp_path, listing(folder_images, tmp_path)) == [
        ("apple/0.webp", 0, -1),
        ("kiwi/1.Tif", 2, -1),
        ("kiwi/2.jfif", 2, -1),
        ("pear/a.png", 1, -1),
        ("pear/b.JPEG", 1, -1),
    ]


def test_numbers_and_underscores_in_folder_names_are_ignored(tmp_path: Path) -> None:
    tree(tmp_path, "07_dog/a.png", "02_wheeled vehicle/b.png", "06_musical_instrument/c.png")
    classes = ("musical instrument", "wheeled vehicle", "dog")
    assert [image.label for image in listing(folder_images, tmp_path, classes)] == [1, 0, 2]


def test_a_class_that_is_called_so_wins_over_the_name_without_its_number(tmp_path: Path) -> None:
    tree(tmp_path, "1_dog/a.png")
    assert listing(folder_images, tmp_path, ("dog", "1_dog"), partial=True)[0].label == 1


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (
            ["aple/a.png"],
            "SET/aple: unknown class folder 'aple'. Did you mean 'apple'? Allowed: apple, pear, kiwi.",
        ),
        (
            ["apple/a.txt"],
            "SET/apple: no image in this class folder. "
            "Images end in .jpg, .jpeg, .jfif, .png, .ppm, .bmp, .pgm, .tif, .tiff, .webp.",
        ),
        (
            ["a.png", "apple/a.png"],
            "SET/a.png: an image outside the class folders. Expected: <class>/<image>.",
        ),
        (["README.md"], "SET: no class folders. Expected: one for each of apple, pear, kiwi."),
    ],
)
def test_wrong_folders(tmp_path: Path, names: list[str], text: str) -> None:
    assert message(folder_images, tree(tmp_path, *names)) == text


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    tree(tmp_path, "val")
    assert message(folder_images, tmp_path / "val") == "SET: cannot be read as a folder (Not a directory)."


def test_missing_class_folders_are_named_unless_the_set_is_partial(tmp_path: Path) -> None:
    tree(tmp_path, "pear/a.png")
    assert message(folder_images, tmp_path) == (
        "SET: class folders are missing, got 1 of 3. Missing: apple, kiwi. Add them, or allow it in "
        "quba-data.yaml: partial: true in the set's entry, or restrict: true to score only classes that have "
        "folders."
    )
    assert short(tmp_path, listing(folder_images, tmp_path, partial=True)) == [("pear/a.png", 1, -1)]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("pipe", "is a pipe or a device, not a file. Remove it."),
        ("nothing", "is a link to nothing, not a file. Remove it."),
        ("loop", "cannot be read (Too many levels of symbolic links)."),
    ],
)
def test_what_has_the_name_of_an_image_and_is_none(tmp_path: Path, kind: str, text: str) -> None:
    tree(tmp_path, "val/apple/1.png")
    image = tmp_path / "val/apple/2.png"
    os.mkfifo(image) if kind == "pipe" else image.symlink_to("2.png" if kind == "loop" else "nowhere")
    assert message(folder_images, tmp_path / "val") == f"SET/apple/2.png: {text}"


def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    tree(tmp_path, "val/apple/1.png")
    (tmp_path / "val/apple" / os.fsdecode(b"caf\xe9.png")).touch()
    assert message(folder_images, tmp_path / "val") == (
        "SET/apple/caf\\udce9.png: the name is not UTF-8 text. Rename it."
    )
