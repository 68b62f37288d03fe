"""The reader `model-vs-human`: images with the category in their file names."""

from __future__ import annotations

from pathlib import Path

from quba_check.errors import SuiteError
from quba_check.suites.class_list import ClassList
from quba_check.suites.readers.listing import LabelledImage
from quba_check.suites.readers.paths import image_names


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
                f"{path / file}: the name does not state a class. Expected: *_*_*_*_<category>_*.png."
            )
        label = classes.number(fields[4])
        if label is None:
            raise SuiteError(f"{path / file}: {classes.unknown_text('class', fields[4])}")
        images.append(LabelledImage((path / file).as_posix(), label))
    if not images:
        raise SuiteError(f"{path}: no images. Expected: files named *_*_*_*_<category>_*.png.")
    return images
