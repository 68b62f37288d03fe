"""CSV files that list the images of a set, and their columns."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from quba_check.errors import SuiteError
from quba_check.messages import listed, one_line
from quba_check.suites.label_spaces import ClassList, normal_form
from quba_check.suites.manifest.reading import yaml_scalar
from quba_check.suites.readers.csv_list import csv_images, csv_rows
from quba_check.suites.readers.listing import LABEL, LABELS, folder_names
from quba_check.suites.slices import EMPTY

_MOST_SLICES = 10
"""Most values of a column that is offered as slices; one with more may be offered as groups."""
_IMAGES = 50
"""Images of a slice that demands judge unless they state another number."""


class ImageList(NamedTuple):
    """A CSV file that the reader `csv` accepts.

    Attributes:
        classes: its labels, sorted; numbers by their value.
        folders: the folders next to the file with its images.
        comments: lines for the manifest that offer columns as groups and slices.
    """

    classes: tuple[str, ...]
    folders: set[str]
    comments: list[str]


def read_image_list(path: Path) -> ImageList:
    """Read a CSV file with the columns `path` and `label` or `labels`.

    Raises:
        SuiteError: it cannot be the reader of a set: an image is missing, or outside of the class folders in
            the folder with the name of the file, or there are fewer than two labels.
    """
    rows = [cells for _, cells in csv_rows(path, ("path", LABEL), others=True)]
    texts = (text for row in rows for text in ([row[LABEL]] if LABEL in row else row[LABELS].split("|")))
    names = {normal_form(text.strip()) for text in texts} - {""}
    classes = tuple(sorted(names, key=lambda name: (len(name) if name.isdecimal() else 0, name)))
    images = csv_images(path, ClassList.plain(classes))
    if len(classes) < 2:
        raise SuiteError(f"its only label is '{classes[0]}', and a set needs two")
    folders = {posixpath.relpath(image.path, path.parent.as_posix()).partition("/")[0] for image in images}
    own = path.with_suffix("")
    if folders != {own.name} and own.is_dir() and folder_names(own):
        raise SuiteError(f"it lists images outside of {own.name}")
    return ImageList(classes, folders, list(_comments(rows)))


def _comments(rows: Sequence[dict[str, str]]) -> Iterator[str]:
    """Yield a comment for each column of groups, then one for all slices."""
    slices = {}
    for column in (name for name in rows[0] if name not in ("path", LABEL, LABELS)):
        values = Counter(row[column].strip() or EMPTY for row in rows)
        images = sorted(values.values(), reverse=True)
        if len(values) <= _MOST_SLICES:
            if len(images) > 1 and images[1] >= _IMAGES:
                shown = listed(f"{value} {number:,}" for value, number in values.items())
                slices[yaml_scalar(column)] = one_line(f"{column} {shown}")
        elif images[len(images) // 2] > 1 and EMPTY not in values:  # an image without a group is an error
            why = f"{len(values):,} values for {len(rows):,} images; then each value is one observation"
            yield f"# group: {yaml_scalar(column)}  # {why}"
    if slices:
        why = f"{'; '.join(slices.values())}; demands can bound the worst"
        yield f"# slices: [{', '.join(slices)}]  # {why}"
