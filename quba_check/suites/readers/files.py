"""Names of images and folders in a folder, in an order that depends on names alone."""

from __future__ import annotations

import os
from pathlib import Path

from quba_check.errors import SuiteError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""What counts as an image, in either case; other files, and all that begins with a dot, are passed over."""


def image_names(folder: Path) -> list[str]:
    """The images of a folder."""
    return file_names(folder, IMAGE_SUFFIXES)


def file_names(folder: Path, suffixes: tuple[str, ...]) -> list[str]:
    """The files of a folder that end so, in either case."""
    return sorted(
        entry.name for entry in _entries(folder) if entry.name.lower().endswith(suffixes) and entry.is_file()
    )


def folder_names(folder: Path) -> list[str]:
    """The folders of a folder."""
    return sorted(entry.name for entry in _entries(folder) if entry.is_dir())


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder; the entries know their kind without a look at each file."""
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise SuiteError(f"{folder}: cannot be read as a folder ({error.strerror}).") from None
