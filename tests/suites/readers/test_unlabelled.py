"""The reader of images of no class: any depth, and the exact text of each error."""

from __future__ import annotations

from pathlib import Path

from support.reading import listing, message, short, tree

from quba_check.suites.readers import READERS
from quba_check.suites.readers.unlabelled import unlabelled_images

ENDINGS = ".jpg, .jpeg, .jfif, .png, .ppm, .bmp, .pgm, .tif, .tiff, .webp"


def test_images_at_any_depth_have_no_class(tmp_path: Path) -> None:
    tree(tmp_path, "b.png", "deep/er/a.JPG", "apple/c.webp", "notes.txt", ".hidden/d.png", "e.gif")
    assert short(tmp_path, listing(unlabelled_images, tmp_path)) == [
        ("b.png", -1, -1),
        ("apple/c.webp", -1, -1),
        ("deep/er/a.JPG", -1, -1),
    ]
    assert list(READERS["unlabelled"].unread_files(tmp_path)) == ["e.gif"]


def test_a_folder_without_images(tmp_path: Path) -> None:
    text = f"SET: no image in this folder or those below it. Images end in {ENDINGS}."
    assert message(unlabelled_images, tree(tmp_path, "deep/notes.txt")) == text


def test_a_link_to_a_folder_above(tmp_path: Path) -> None:
    tree(tmp_path, "deep/a.png")
    (tmp_path / "deep" / "up").symlink_to(tmp_path)
    text = "SET/deep/up: a link to a folder above it. Remove it."
    assert message(unlabelled_images, tmp_path) == text
