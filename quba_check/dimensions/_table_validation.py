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
_NAME = re.compile(r"[a-z][a-z0-9_]*(\..+)?", re.DOTALL)


def checked_tables(tables: object, where: str) -> dict[str, Table]:
    """Check the tables of a measurement; return them with Python's own numbers and storable text.

    Text that cannot be encoded, such as a file name of another encoding, gets escapes.

    Raises:
        DimensionError: a name, a table, or a cell cannot be stored.
    """
    if not isinstance(tables, Mapping) or not all(
        isinstance(name, str) and _NAME.fullmatch(name) for name in tables
    ):
        raise DimensionError(
            f"{where}: tables, got {_shown(tables)}. Allowed: a dict of names "
            "(small letters, digits and underscores, beginning with a letter; any text after a dot) and "
            "tables."
        )
    return {name: _checked_table(table, f"{where}: the table '{name}'") for name, table in tables.items()}


def _checked_table(table: object, where: str) -> Table:
    if not isinstance(table, Table) or not _is_well_formed(table):
        raise DimensionError(
            f"{where}, got {_shown(table)}. Allowed: a quba_check.Table with different column names, rows "
            f"with one cell for each column, at most {MOST_CELLS:,} cells, and text as the note."
        )
    rows = []
    for number, row in enumerate(table.rows, start=1):
        places = [f"{where}: row {number}, column '{name}'" for name in table.columns]
        rows.append(tuple(map(_cell, row, places)))
    columns = tuple(str(_cell(name, f"{where}: a column name")) for name in table.columns)
    return Table(columns, tuple(rows), str(_cell(table.note, f"{where}: the note")))


def _is_well_formed(table: Table) -> bool:
    columns, rows = table.columns, table.rows
    return (
        _is_list(columns)
        and all(isinstance(name, str) for name in (*columns, table.note))
        and 0 < len(columns) == len(set(columns))
        and _is_list(rows)
        and all(_is_list(row) and len(row) == len(columns) for row in rows)
        and len(columns) * len(rows) <= MOST_CELLS
    )


def _cell(cell: Any, where: str) -> Cell:
    if isinstance(cell, str) and len(cell) <= LONGEST_TEXT:
        return cell.encode(errors="backslashreplace").decode()
    if isinstance(cell, str):
        raise DimensionError(
            f"{where} has {len(cell):,} characters. Allowed: text of at most {LONGEST_TEXT:,}."
        )
    number = None if isinstance(cell, bool) else cell  # a bool is an int to Python
    if isinstance(number, Integral):
        return operator.index(number)
    if isinstance(number, Real) and math.isfinite(number):
        return float(number)
    raise DimensionError(f"{where}, got {_shown(cell)}. Allowed: text, a whole number, or a finite number.")


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
