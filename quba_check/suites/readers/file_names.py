"""Readers of images with classes in their file names: `cue-conflict` and `model-vs-human`."""

from __future__ import annotations

import re
from pathlib import Path

from quba_check.errors import SuiteError
from quba_check.suites.class_list import ClassList, normal_form
from quba_check.suites.readers.listing import LabelledImage, folder_names, image_names


def cue_conflict_images(path: Path, classes: ClassList) -> list[LabelledImage]:
    """List images named `<shape><i>-<texture><j>.png`, in one folder or one per shape class.

    Args:
        path: the folder.
        classes: the class list of both cues.

    Raises:
        SuiteError: a name has another form or an unknown class, a file lies in another class's folder, or
            there are no images.
    """
    any_class = "|".join(re.escape(name) for name in sorted(classes.numbers, key=len, reverse=True))
    cues = re.compile(rf"({any_class})\d+-({any_class})\d+")
    images = []
    for folder in ("", *folder_names(path)):
        for file in image_names(path / folder):
            where = path / folder / file
            match = cues.fullmatch(normal_form(where.stem))
            if match is None:
                raise SuiteError(_mistake(where.stem, classes), where=f"{where}")
            shape, texture = match.groups()
            if folder and normal_form(folder) != shape:
                raise SuiteError(f"the shape is '{shape}'", where=f"{where}", got=f"the folder '{folder}'")
            images.append(LabelledImage(where.as_posix(), classes.numbers[shape], classes.numbers[texture]))
    if not images:
        raise SuiteError("no images. Expected: files named <shape><i>-<texture><j>.png.", where=f"{path}")
    return images


def _mistake(stem: str, classes: ClassList) -> str:
    cues = re.fullmatch(r"(.+?)\d+-(.+?)\d+", stem)
    if cues is None:
        return "the name does not state two cues. Expected: <shape><i>-<texture><j>.png."
    unknown = next((cue for cue in cues.groups() if classes.number(cue) is None), cues[1])
    return classes.unknown_text("class", unknown)


def model_vs_human_images(path: Path, classes: ClassList) -> list[LabelledImage]:
    """List images named `*_*_*_*_<category>_*.png` in one folder, as published by model-vs-human.

    Args:
        path: the folder.
        classes: the class list.

    Raises:
        SuiteError: a name has another form or an unknown class, or there are no images.
    """
    images = []
    for file in image_names(path):
        fields = file.split("_", maxsplit=5)
        if len(fields) < 6:
            raise SuiteError(
                "the name does not state a class. Expected: *_*_*_*_<category>_*.png.", where=f"{path / file}"
            )
        label = classes.number(fields[4])
        if label is None:
            raise SuiteError(classes.unknown_text("class", fields[4]), where=f"{path / file}")
        images.append(LabelledImage((path / file).as_posix(), label))
    if not images:
        raise SuiteError("no images", where=f"{path}", hint="Expected: files named *_*_*_*_<category>_*.png.")
    return images
