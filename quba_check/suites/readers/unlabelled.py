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
    images = [LabelledImage(image, NO_CLASS) for image in images_below(path)]
    if not images:
        raise SuiteError(
            f"{path}: no image in this folder or those below it. Images end in {', '.join(IMAGE_SUFFIXES)}."
        )
    return images


def images_below(folder: Path, above: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the paths of the images at any depth of a folder.

    Args:
        folder: the folder.
        above: real paths of the folders above it that were listed.

    Raises:
        SuiteError: a link leads to a folder above it, or a folder cannot be read.
    """
    real = os.path.realpath(folder)
    if real in above:
        raise SuiteError(f"{folder}: a link to a folder above it. Remove it.")
    for name in image_names(folder):
        yield f"{folder.as_posix()}/{name}"
    for name in folder_names(folder):
        yield from images_below(folder / name, above | {real})
