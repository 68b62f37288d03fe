"""Rows of a table that hold labels, and images as they were stored."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from PIL import Image

from quba_check.errors import SuiteError
from quba_check.strict_yaml import describe
from quba_check.suites.class_list import ClassList


def labelled_rows(
    where: str, labels: Iterable[object], names: Sequence[str] | None, classes: ClassList
) -> list[int]:
    """The classes that a column of labels means.

    Args:
        where: the file, for messages.
        labels: the column.
        names: class names that its numbers stand for; None where they are positions in the class list.
        classes: the class list.

    Raises:
        SuiteError: a label is no class.
    """
    known = None if names is None else classes.positions_of(names)

    def position(row: int, label: object) -> int:
        place = f"{where}[{row}]"
        if isinstance(label, bool) or not isinstance(label, str | int):
            raise SuiteError(f"{place}: label: got {describe(label)}. Allowed: a class name or number.")
        if names is None or known is None or isinstance(label, str):
            return classes.position(label, place)
        found = known[label] if 0 <= label < len(known) else None
        if found is None:
            name = names[label] if 0 <= label < len(names) else str(label)
            raise SuiteError(f"{place}: {classes.unknown('class', name)}")
        return found

    return [position(row, label) for row, label in enumerate(labels)]


def stored_image(cell: Mapping[str, Any] | bytes | None) -> Image.Image:
    """Open the image of a cell: bytes, or a mapping with them, as Hugging Face stores images.

    Raises:
        ValueError: the cell holds none.
    """
    content = cell.get("bytes") if isinstance(cell, Mapping) else cell
    if not content:
        raise ValueError("its bytes are not stored in the file")
    return Image.open(io.BytesIO(content))
