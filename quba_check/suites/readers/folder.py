"""The reader `folder`: images in one folder per class."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from quba_check.errors import SuiteError
from quba_check.messages import listed
from quba_check.suites.class_list import SHOWN, ClassList
from quba_check.suites.readers.listing import LabelledImage
from quba_check.suites.readers.paths import IMAGE_SUFFIXES, folder_names, image_names
from quba_check.suites.readers.real_labels import relabelled


def folder_images(
    path: Path, classes: ClassList, *, partial: bool = False, real_labels: Path | None = None
) -> list[LabelledImage]:
    """List images in one folder per class: `<class>/<image>`.

    A folder is matched to a class by its name, else by its name without a leading number and with blanks for
    underscores (`02_wheeled vehicle`). Deeper folders are skipped.

    Args:
        path: the folder of class folders.
        classes: the class list.
        partial: True if classes may lack a folder.
        real_labels: ReaL's labels, for images of ImageNet's validation set.

    Raises:
        SuiteError: a folder is not a class, is missing or holds no image, an image lies outside the folders,
            or there are no folders.
    """
    if outside := image_names(path):
        raise SuiteError(
            f"{path / outside[0]}: an image outside the class folders. Expected: <class>/<image>."
        )
    images: list[LabelledImage] = []
    for name in folder_names(path):
        folder = path / name
        bare = re.sub(r"^\d+_", "", name)
        forms = (name, bare, bare.replace("_", " "))
        label = next((number for form in forms if (number := classes.number(form)) is not None), None)
        if label is None:
            raise SuiteError(f"{folder}: {classes.unknown_text('class folder', name)}")
        files = image_names(folder)
        if not files:
            raise SuiteError(
                f"{folder}: no image in this class folder. Images end in {', '.join(IMAGE_SUFFIXES)}."
            )
        prefix = folder.as_posix()
        images += [LabelledImage(f"{prefix}/{file}", label) for file in files]
    if not images:
        raise SuiteError(f"{path}: no class folders. Expected: one for each of {classes.label}.")
    if not partial:
        _check_complete(path, images, classes.names)
    return images if real_labels is None else list(relabelled(images, real_labels, classes))


def _check_complete(path: Path, images: Sequence[LabelledImage], classes: Sequence[str]) -> None:
    present = {image.label for image in images}
    absent = [name for number, name in enumerate(classes) if number not in present]
    if absent:
        raise SuiteError(
            f"{path}: class folders are missing, got {len(present)} of {len(classes)}. "
            f"Missing: {listed(absent, SHOWN)}. Add them, or allow it in quba-data.yaml: partial: true "
            "in the set's entry, or restrict: true to score only classes that have folders."
        )
