"""The reader `cue-conflict`: images with two cues, told by their names."""

from __future__ import annotations

import re
from pathlib import Path

from quba_check.errors import SuiteError
from quba_check.suites.class_list import ClassList
from quba_check.suites.readers.files import folder_names, image_names
from quba_check.suites.readers.listed import Listed


def cue_conflict_images(path: Path, classes: ClassList) -> list[Listed]:
    """Images named `<shape><i>-<texture><j>.png`, in one folder or in one folder per shape class.

    Args:
        path: the folder.
        classes: the class list of both cues.

    Raises:
        SuiteError: a name is not of that form or names no class, a file lies in another class's folder, or
            there are no images.
    """
    either = "|".join(re.escape(name) for name in sorted(classes.names, key=len, reverse=True))
    cues = re.compile(rf"({either})\d+-({either})\d+")
    images = []
    for folder in ("", *folder_names(path)):
        for file in image_names(path / folder):
            where = path / folder / file
            named = cues.fullmatch(where.stem)
            if named is None:
                raise SuiteError(f"{where}: {_no_cues(where.stem, classes)}")
            shape, texture = named.groups()
            if folder and folder != shape:
                raise SuiteError(f"{where}: the shape is '{shape}', got it in the folder '{folder}'.")
            images.append(Listed(where.as_posix(), classes.numbers[shape], classes.numbers[texture]))
    if not images:
        raise SuiteError(f"{path}: no images. Expected: files named <shape><i>-<texture><j>.png.")
    return images


def _no_cues(stem: str, classes: ClassList) -> str:
    """Why a file name does not say two cues."""
    cues = re.fullmatch(r"(.+?)\d+-(.+?)\d+", stem)
    if cues is None:
        return "the name tells no cues. Expected: <shape><i>-<texture><j>.png."
    unknown = next((cue for cue in cues.groups() if cue not in classes.numbers), cues[1])
    return classes.unknown("class", unknown)
