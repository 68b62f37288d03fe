"""The reader `model-vs-human`: images whose names tell their category."""

from __future__ import annotations

from pathlib import Path

from quba_check.errors import SuiteError
from quba_check.suites.class_list import ClassList
from quba_check.suites.readers.files import image_names
from quba_check.suites.readers.listed import Listed


def model_vs_human_images(path: Path, classes: ClassList) -> list[Listed]:
    """Images named `*_*_*_*_<category>_*.png` in one folder, as model-vs-human publishes them.

    Args:
        path: the folder.
        classes: the class list.

    Raises:
        SuiteError: a name is not of that form or names no class, or there are no images.
    """
    images = []
    for file in image_names(path):
        fields = file.split("_", maxsplit=5)
        if len(fields) < 6:
            raise SuiteError(f"{path / file}: the name tells no class. Expected: *_*_*_*_<category>_*.png.")
        if fields[4] not in classes.numbers:
            raise SuiteError(f"{path / file}: {classes.unknown('class', fields[4])}")
        images.append(Listed((path / file).as_posix(), classes.numbers[fields[4]]))
    if not images:
        raise SuiteError(f"{path}: no images. Expected: files named *_*_*_*_<category>_*.png.")
    return images
