"""The reader of images of no class: all images at any depth of a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from quba_check.core.predictions import NO_CLASS
from quba_check.errors import SuiteError
from quba_check.suites.class_list import ClassList
from quba_check.suites.readers.listing import LabelledImage
from quba_check.suites.readers.paths import IMAGE_SUFFIXES, folder_names, image_names


def unlabelled_images(path: Path, _classes: ClassList) -> list[LabelledImage]:
    """List the images at any depth of a folder, without classes.

    Args:
        path: the folder.

    Raises:
        SuiteError: there is no image, or a link leads to a folder above it.
    """
    images = list(_images(path, frozenset()))
    if not images:
        raise SuiteError(
            f"{path}: no image in this folder or those below it. Images end in {', '.join(IMAGE_SUFFIXES)}."
        )
    return images


def _images(folder: Path, above: frozenset[str]) -> Iterator[LabelledImage]:
    real = os.path.realpath(folder)
    if real in above:
        raise SuiteError(f"{folder}: a link to a folder above it. Remove it.")
    for name in image_names(folder):
        yield LabelledImage(f"{folder.as_posix()}/{name}", NO_CLASS)
    for name in folder_names(folder):
        yield from _images(folder / name, above | {real})
