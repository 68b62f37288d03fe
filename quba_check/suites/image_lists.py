"""CSV files that list the images of a set, and their columns."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from quba_check.errors import SuiteError
from quba_check.suites.label_spaces import ClassList, normal_form
from quba_check.suites.manifest.set_schema import SEPARATORS
from quba_check.suites.readers.csv_list import csv_images, csv_rows
from quba_check.suites.readers.listing import LABEL, LABELS
from quba_check.suites.slices import EMPTY

MOST_SLICES = 10
"""Most values of a column that is offered as slices; one with more may be offered as groups."""
_IMAGES = 50
"""Images of a slice that demands judge unless they state another number."""


@dataclass(frozen=True, slots=True)
class ImageList:
    """A CSV file that the reader `csv` accepts.

    Attributes:
        path: relative to the data folder.
        images: number of its images.
        classes: its labels, sorted; numbers by their value.
        folders: the folders of its images, relative to the data folder.
        columns: number of images of each value, by column that may serve as groups or slices.
    """

    path: str
    images: int
    classes: tuple[str, ...]
    folders: tuple[str, ...]
    columns: Mapping[str, Mapping[str, int]]

    def are_in(self, folder: str) -> list[bool]:
        """Return for each folder of images True if it is in another one."""
        return [folder == "." or f"{one}/".startswith(f"{folder}/") for one in self.folders]


def read_image_list(root: Path, path: str) -> ImageList:
    """Read a CSV file with the columns `path` and `label` or `labels`.

    All of its images must exist.

    Args:
        root: the data folder.
        path: the file, relative to it.

    Raises:
        SuiteError: the file cannot be the reader of a set.
    """
    with closing(csv_rows(root / path, ("path", LABEL), others=True)) as lines:
        rows = [cells for _, cells in lines]
    texts = (text for row in rows for text in ([row[LABEL]] if LABEL in row else row[LABELS].split("|")))
    names = {normal_form(text.strip()) for text in texts} - {""}
    if rows and len(names) == 1:
        raise SuiteError(f"its only label is '{names.pop()}', and a set needs two", where=f"{root / path}")
    numeric = all(name.isdecimal() for name in names)
    classes = tuple(sorted(names, key=lambda name: (len(name), name) if numeric else (0, name)))
    images = csv_images(root / path, ClassList.plain(classes))
    folders = {os.path.relpath(folder, root) for folder in {os.path.dirname(one.path) for one in images}}  # noqa: PTH120
    columns = {
        column: values
        for column in rows[0]
        if column not in ("path", LABEL, LABELS, "")
        and _is_offered(column, values := Counter(row[column].strip() or EMPTY for row in rows))
    }
    return ImageList(path, len(images), classes, tuple(sorted(folders)), columns)


def _is_offered(column: str, values: Mapping[str, int]) -> bool:
    """Return True for slices, and for groups of which most have several images."""
    most = sorted(values.values(), reverse=True)
    if len(values) > MOST_SLICES:
        return most[len(values) // 2] > 1 and EMPTY not in values  # an image without a group is an error
    return most[1:] >= [_IMAGES] and not set(SEPARATORS) & set("".join([column, *values]))
