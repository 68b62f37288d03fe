"""Groups of images that belong together, and slices of images by columns."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from quba_check.core.predictions import SliceColumn
from quba_check.errors import SuiteError
from quba_check.messages import one_line
from quba_check.suites.manifest.set_schema import SEPARATORS, AnySet, Property
from quba_check.suites.readers.listing import LabelledImage

SECONDS = 10
"""Longest time for the expression of a set."""
EMPTY = "(empty)"
"""Value of an empty cell."""
MOST_VALUES = 1000
"""Largest number of slices of a column."""


CUTS: Mapping[Property, tuple[float, ...]] = {
    "brightness": (0.25, 0.5, 0.75),
    "sharpness": (30, 300, 3000),
    "size": (64, 128, 256, 512, 1024),
}
"""Fixed cut points of properties of images; the names of slices show them.

Photos of ImageNet have a sharpness from 300; a Gaussian blur of one pixel at a side of 224 takes them below.
"""


def property_column(name: Property, values: NDArray[np.float32] | NDArray[np.int32]) -> SliceColumn:
    """Return the slices of images by a property, such as `size=<64` and `size=64..128`.

    Args:
        name: the property.
        values: (N,) its value of each image; brightness in [0, 1], size in pixels.
    """
    cuts = [f"{cut:g}" for cut in CUTS[name]]
    ranges = [f"<{cuts[0]}", *(f"{low}..{high}" for low, high in pairwise(cuts)), f"{cuts[-1]}+"]
    used, numbers = np.unique(np.digitize(values, CUTS[name]), return_inverse=True)
    return SliceColumn(tuple(f"{name}={ranges[number]}" for number in used), numbers)


def slice_columns(declared: AnySet, cells: Sequence[tuple[str, ...]], where: str) -> dict[str, SliceColumn]:
    """Return the slices of images by column; crossed ones are joined by a comma.

    Args:
        declared: the set.
        cells: for each image the text of the columns that the set's entry names.
        where: the set, for messages.

    Raises:
        SuiteError: a column has too many values, or one that no name of a slice can hold.
    """
    text = cache(lambda cell: one_line(cell.strip()) or EMPTY)
    texts = [tuple(map(text, column)) for column in zip(*cells, strict=True)] or [()] * len(declared.columns)
    columns = {}
    for crossed in declared.crossed:
        places = [declared.columns.index(column) for column in crossed]
        by_row = list(zip(*(texts[place] for place in places), strict=True))
        rows = sorted(set(by_row))
        positions = {row: number for number, row in enumerate(rows)}
        name = ",".join(crossed)
        if len(rows) > MOST_VALUES:
            raise SuiteError(
                f"the slice column '{name}' has {len(rows):,} values",
                where=where,
                allowed=f"at most {MOST_VALUES:,}",
            )
        pairs = [list(zip(crossed, row, strict=True)) for row in rows]
        for column, value in chain.from_iterable(pairs):
            if any(separator in value for separator in SEPARATORS):
                raise SuiteError(
                    f"the slice column '{column}' has the value '{value}'",
                    where=where,
                    allowed="values without = and commas",
                )
        names = tuple(",".join(f"{column}={value}" for column, value in row) for row in pairs)
        columns[name] = SliceColumn(names, np.array([positions[row] for row in by_row], np.intp))
    return columns


def group_names(
    declared: AnySet, images: Sequence[LabelledImage], root: Path, path: Path
) -> list[str] | None:
    """Return the group of each image of a set; None if the set declares none.

    Args:
        declared: the set.
        images: its images.
        root: the data folder.
        path: the set's folder or file.

    Raises:
        SuiteError: an image has no group.
    """
    rule = declared.group
    if rule is None:
        return None
    if isinstance(rule, str):
        place = declared.columns.index(rule)
        names = [image.cells[place].strip() for image in images]
        problem = f"the group column '{rule}' is empty"
        allowed = "a name in each row; a unique one for a lone image"
    elif rule.path is not None:
        import regex

        expression = regex.compile(rule.path)
        end = time.monotonic() + SECONDS
        names = []
        for image in images:
            try:
                match = expression.search(_path(image, root), timeout=max(0.001, end - time.monotonic()))
            except TimeoutError:
                raise SuiteError(
                    f"the expression {rule.path} takes more than {SECONDS} seconds",
                    where=f"{image.path}: group",
                    allowed="a simpler one",
                ) from None
            names.append("" if match is None else match["group"] or "")
        problem = f"group: {rule.path} does not match its path"
        allowed = "an expression for every image"
    else:
        names = _folders(images, path, rule.folders or 1)
        problem = f"lies in fewer than {rule.folders} folders below {path.name}"
        allowed = "a smaller number"
    if "" in names:
        image = images[names.index("")]
        where = image.path if image.member is None else f"{image.path}[{image.member}]"
        raise SuiteError(problem, where=where, allowed=allowed)
    return names


def _path(image: LabelledImage, root: Path) -> str:
    """Return the path of an image in its container, or relative to the data folder."""
    return image.path.removeprefix(f"{root.as_posix()}/") if image.member is None else image.member


def _folders(images: Sequence[LabelledImage], path: Path, count: int) -> list[str]:
    """Return the first folders of each image; empty if there are too few."""
    below = path if path.is_dir() else path.parent
    folders = (_path(image, below).split("/")[:-1] for image in images)
    return ["/".join(names[:count]) if len(names) >= count else "" for names in folders]
