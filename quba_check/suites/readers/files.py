"""Names of images and folders in a folder, in an order that depends on names alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from quba_check.errors import SuiteError
from quba_check.storage.user_files import is_utf8, reason

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""What counts as an image, in either case; other files, and all that begins with a dot, are passed over."""


def image_names(folder: Path) -> list[str]:
    """The images of a folder."""
    return file_names(folder, lambda name: name.lower().endswith(IMAGE_SUFFIXES))


def file_names(folder: Path, is_wanted: Callable[[str], bool]) -> list[str]:
    """Return the files of a folder with wanted names."""
    return sorted(
        entry.name for entry in _entries(folder) if is_wanted(entry.name) and _is_file(folder, entry)
    )


def folder_names(folder: Path) -> list[str]:
    """The folders of a folder."""
    return sorted(entry.name for entry in _entries(folder) if _is_folder(folder, entry))


def _is_folder(folder: Path, entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        raise SuiteError(f"{folder / entry.name}: cannot be read ({reason(error)}).") from None


def _is_file(folder: Path, entry: os.DirEntry[str]) -> bool:
    """Return False for a folder; anything else but a file is an error.

    Skipped silently, it would be one image less.
    """
    try:
        if entry.is_file():
            return True
        if entry.is_dir():
            return False
    except OSError as error:
        raise SuiteError(f"{folder / entry.name}: cannot be read ({reason(error)}).") from None
    what = "a link to nothing" if entry.is_symlink() else "a pipe or a device"
    raise SuiteError(f"{folder / entry.name}: is {what}, not a file. Remove it.")


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder; the entries know their kind without a look at each file."""
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if not entry.name.startswith(".")]
    except (OSError, ValueError) as error:
        raise SuiteError(f"{folder}: cannot be read as a folder ({reason(error)}).") from None
    for entry in found:
        if not is_utf8(entry.name):
            raise SuiteError(f"{folder / entry.name}: the name is not UTF-8 text. Rename it.")
    return found
