"""Shared by readers of containers: a cache of files, and the rows of tables."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from PIL import Image

from quba_check.errors import SuiteError
from quba_check.messages import allowed_names
from quba_check.storage.file_digests import file_stamp
from quba_check.suites.class_list import ClassList

Result = TypeVar("Result")


class FileCache(Generic[Result]):
    """A cached function of a file and some words; a changed file is read again.

    Each process has its own cache. Threads that call at the same time wait for one result.

    Args:
        compute: the function.
        limit: number of cached results.
    """

    def __init__(self, compute: Callable[..., Result], limit: int) -> None:
        self._lock = threading.Lock()
        self._results = lru_cache(maxsize=limit)(lambda path, _stamp, words: compute(path, *words))

    def __call__(self, path: Path, *words: str) -> Result:
        """Return the result for a file.

        Raises:
            SuiteError: the path leads to no readable file. Errors of the function come through.
        """
        stamp = file_stamp(path)
        with self._lock:
            return self._results(path, stamp, words)


def check_columns(path: Path, columns: Iterable[str], existing: Iterable[str]) -> None:
    """Raise `SuiteError` if a table lacks a column."""
    existing = list(existing)
    for column in columns:
        if column not in existing:
            raise SuiteError(f"{path}: there is no column '{column}'. {allowed_names(column, existing)}")


def cells_by_row(columns: Sequence[Sequence[object]], rows: int) -> list[tuple[str, ...]]:
    """Return the text of each row's cells; missing values are empty."""
    texts = [["" if value is None else str(value) for value in column] for column in columns]
    return list(zip(*texts, strict=True)) if texts else [()] * rows


def label_positions(
    where: str, labels: Iterable[object], names: Sequence[str] | None, classes: ClassList
) -> list[int]:
    """Return the positions of the classes in a column of labels.

    Args:
        where: the file, for messages.
        labels: the column.
        names: class names by number; None if numbers are positions in the class list.
        classes: the class list.

    Raises:
        SuiteError: a label is unknown.
    """
    by_number = None if names is None else classes.positions_of(names)

    def position(row: int, label: object) -> int:
        row_label = f"{where}[{row}]"
        if names is None or by_number is None or not isinstance(label, int) or isinstance(label, bool):
            return classes.position(label, row_label)
        number = by_number[label] if 0 <= label < len(by_number) else None
        if number is None:
            name = names[label] if 0 <= label < len(names) else str(label)
            raise SuiteError(classes.unknown_text("class", name), where=row_label)
        return number

    return [position(row, label) for row, label in enumerate(labels)]


def open_cell(cell: Mapping[str, Any] | bytes | None) -> Image.Image:
    """Open the image of a cell: bytes, or a mapping with bytes as in `datasets`.

    Raises:
        ValueError: the cell holds no bytes.
    """
    content = cell.get("bytes") if isinstance(cell, Mapping) else cell
    if not content:
        raise ValueError("its bytes are not stored in the file")
    return Image.open(io.BytesIO(content))
