"""The reader `folder`: images in one folder per class."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from quba_check.errors import SuiteError, listed
from quba_check.suites.class_list import SHOWN, ClassList
from quba_check.suites.readers.files import IMAGE_SUFFIXES, folder_names, image_names
from quba_check.suites.readers.listed import Listed


def folder_images(path: Path, classes: ClassList, *, partial: bool = False) -> list[Listed]:
    """Images in one folder per class: `<class>/<image>`.

    A folder is matched to a class by its name; a leading number, and underscores for blanks, are looked past
    where the name as it stands is no class (`02_wheeled vehicle`). Deeper folders are not looked into.

    Args:
        path: the folder of class folders.
        classes: the class list.
        partial: classes may have no folder.

    Raises:
        SuiteError: a folder is no class, is missing or holds no image, an image lies beside the folders, or
            there are no folders.
    """
    if stray := image_names(path):
        raise SuiteError(f"{path / stray[0]}: an image outside the class folders. Expected: <class>/<image>.")
    images: list[Listed] = []
    for name in folder_names(path):
        folder = path / name
        label = _folder_label(name, classes.numbers)
        if label is None:
            raise SuiteError(f"{folder}: {classes.unknown('class folder', name)}")
        files = image_names(folder)
        if not files:
            raise SuiteError(
                f"{folder}: no image in this class folder. Images end in {', '.join(IMAGE_SUFFIXES)}."
            )
        prefix = folder.as_posix()
        images += [Listed(f"{prefix}/{file}", label) for file in files]
    if not images:
        raise SuiteError(f"{path}: no class folders. Expected: one for each of {classes.shown}.")
    if not partial:
        _check_complete(path, images, classes.names)
    return images


def _folder_label(name: str, numbers: Mapping[str, int]) -> int | None:
    bare = re.sub(r"^\d+_", "", name)
    return next((numbers[form] for form in (name, bare, bare.replace("_", " ")) if form in numbers), None)


def _check_complete(path: Path, images: Sequence[Listed], classes: Sequence[str]) -> None:
    present = {image.label for image in images}
    absent = [name for number, name in enumerate(classes) if number not in present]
    if absent:
        raise SuiteError(
            f"{path}: class folders are missing, got {len(present)} of {len(classes)}. "
            f"Missing: {listed(absent, SHOWN)}. Add them, or allow it in quba-data.yaml: partial: true "
            "in the set's entry, or restrict: true to score only classes that have folders."
        )
