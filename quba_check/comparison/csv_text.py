"""CSV text that no spreadsheet runs as a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""First characters by which a spreadsheet takes a cell for a formula."""
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
Cell = str | int | float | None


def csv_text(headings: Iterable[str], rows: Iterable[Iterable[Cell]]) -> str:
    """Return a table with a line of headings as CSV.

    A string that begins like a formula gets an apostrophe in front; numbers stay numbers, also in strings.
    None is an empty cell. Bytes of a file name that are not UTF-8 are written as escapes.

    >>> csv_text(["file", "loss"], [["=1+1.png", -0.5], ["a.png", None]]).splitlines()
    ['file,loss', "'=1+1.png,-0.5", 'a.png,']
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([_safe(cell) for cell in row] for row in (headings, *rows))
    return text.getvalue()


def _safe(cell: Cell) -> Cell:
    if not isinstance(cell, str):
        return cell
    encodable = cell.encode("utf-8", "backslashreplace").decode()
    is_formula = encodable.startswith(FORMULA_STARTS) and not _NUMBER.fullmatch(encodable)
    return f"'{encodable}" if is_formula else encodable
