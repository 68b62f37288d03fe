"""ReaL's labels of ImageNet's validation images (Beyer et al., 2020)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from quba_check.errors import SuiteError
from quba_check.storage.user_files import read_json
from quba_check.suites.class_list import ClassList
from quba_check.suites.readers.listing import LabelledImage

CLASSES = 1000
_NUMBER = re.compile(r"ILSVRC2012_val_(\d{8})\.[A-Za-z]+$")


def relabelled(images: Sequence[LabelledImage], path: Path, classes: ClassList) -> Iterator[LabelledImage]:
    """Yield the images with a label in ReaL, with all its labels.

    The label stays if ReaL has it; else the first one of ReaL takes its place.

    Args:
        images: images of ImageNet's validation set.
        path: ReaL's `real.json`: for each image, by number, a list of class numbers.
        classes: the class list.

    Raises:
        SuiteError: the file cannot be read, or has no list of classes for an image.
    """
    if len(classes.names) != CLASSES:
        raise SuiteError(
            f"{path}: numbers ImageNet's {CLASSES:,} classes, got {len(classes.names)}. "
            "Allowed: classes: imagenet."
        )
    rows = read_json(path, str(path), SuiteError)
    for image in images:
        number = _NUMBER.search(image.path)
        if number is None:
            raise SuiteError(
                f"{image.path}: has no labels in {path.name}. Allowed: ILSVRC2012_val_NUMBER.JPEG."
            )
        position = int(number[1]) - 1
        row = rows[position] if isinstance(rows, list) and 0 <= position < len(rows) else None
        if not isinstance(row, list):
            raise SuiteError(f"{path}: has no list of classes for {number[0]}. Allowed: the file of ReaL.")
        labels = [classes.position(label, f"{path}[{position}]") for label in row]
        if labels:
            label = image.label if image.label in labels else labels[0]
            also = tuple(one for one in dict.fromkeys(labels) if one != label)
            yield replace(image, label=label, also=also)
