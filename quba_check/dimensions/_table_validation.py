"""Validation of the tables of a measurement."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from quba_check.core.measurement import Cell, Table
from quba_check.errors import DimensionError

MOST_CELLS = 1_000_000
"""Largest number of cells in a table; a row for each class of ImageNet-21k has a tenth of it."""
LONGEST_TEXT = 1_000
"""Largest number of characters of a cell, a column name or a note."""
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def checked_tables(tables: object, where: str) -> dict[str, Table]:
    """Check the tables of a measurement; return them with Python's own numbers and storable text.

    Text that cannot be encoded, such as a file name of another encoding, gets escapes.

    Raises:
        DimensionError: a name, a table, or a cell cannot be stored.
    """
    if not isinstance(tables, Mapping):
        raise DimensionError(f"{where}: tables, got {_shown(tables)}. Allowed: a dict of name and Table.")
    for name in tables:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise DimensionError(
                f"{where}: the table {_shown(name)}: the name cannot be used. Allowed: small letters, digits "
                "and underscores, beginning with a letter."
            )
    return {name: _checked_table(table, f"{where}: the table '{name}'") for name, table in tables.items()}


def _checked_table(table: object, where: str) -> Table:
    if not isinstance(table, Table):
        raise DimensionError(f"{where}, got {_shown(table)}. Allowed: a quba_check.Table.")
    columns, rows = table.columns, table.rows
    if not _is_list(columns) or not columns or not all(isinstance(name, str) for name in columns):
        raise DimensionError(f"{where}: columns, got {_shown(columns)}. Allowed: a tuple of names.")
    if len(set(columns)) < len(columns):
        raise DimensionError(f"{where}: columns, got {_shown(columns)}. Allowed: each name once.")
    if not _is_list(rows) or not all(map(_is_list, rows)):
        raise DimensionError(f"{where}: rows, got {_shown(rows)}. Allowed: a tuple of tuples.")
    if len(columns) * len(rows) > MOST_CELLS:
        raise DimensionError(
            f"{where} has {len(columns) * len(rows):,} cells. Allowed: at most {MOST_CELLS:,}."
        )
    for number, row in enumerate(rows, start=1):
        if len(row) != len(columns):
            raise DimensionError(
                f"{where}: row {number} has {len(row)} cells. Allowed: {len(columns)}, one for each column."
            )
    if not isinstance(table.note, str):
        raise DimensionError(f"{where}: note, got {_shown(table.note)}. Allowed: text.")
    return Table(
        tuple(_text(name, f"{where}: a column name") for name in columns),
        tuple(
            tuple(
                _cell(cell, f"{where}: row {number}, column '{name}'")
                for name, cell in zip(columns, row, strict=True)
            )
            for number, row in enumerate(rows, start=1)
        ),
        _text(table.note, f"{where}: the note"),
    )


def _cell(cell: Any, where: str) -> Cell:
    if isinstance(cell, str):
        return _text(cell, where)
    number = None if isinstance(cell, bool) else cell  # a bool is an int to Python
    if isinstance(number, Integral):
        return operator.index(number)
    if isinstance(number, Real) and math.isfinite(number):
        return float(number)
    raise DimensionError(f"{where}, got {_shown(cell)}. Allowed: text, a whole number, or a finite number.")


def _text(text: str, where: str) -> str:
    if len(text) > LONGEST_TEXT:
        raise DimensionError(
            f"{where} has {len(text):,} characters. Allowed: text of at most {LONGEST_TEXT:,}."
        )
    return text.encode(errors="backslashreplace").decode()


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
