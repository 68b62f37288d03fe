"""CSV text that no spreadsheet runs as a formula."""

from __future__ import annotations

import re
from collections.abc import Iterable

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""First characters by which a spreadsheet takes a cell for a formula."""
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_QUOTED = re.compile('[",;\r\n]')
"""What only a quoted cell may hold. The csv module lets a lone carriage return end a row; a semicolon
separates cells where a comma stands in decimals."""
Cell = str | int | float | None


def csv_text(headings: Iterable[str], rows: Iterable[Iterable[Cell]]) -> str:
    """Return a table with a line of headings as CSV.

    A string that begins like a formula gets an apostrophe in front; numbers stay numbers, also in strings.
    None is an empty cell. Bytes of a file name that are not UTF-8 are written as escapes.

    >>> csv_text(["file", "loss"], [["=1+1.png", -0.5], ["a.png", None]]).splitlines()
    ['file,loss', "'=1+1.png,-0.5", 'a.png,']
    """
    return "".join(f"{','.join(map(_cell_text, row))}\n" for row in (headings, *rows))


def _cell_text(cell: Cell) -> str:
    if not isinstance(cell, str):
        return "" if cell is None else str(cell)
    text = cell.encode("utf-8", "backslashreplace").decode()
    if text.startswith(FORMULA_STARTS) and not _NUMBER.fullmatch(text):
        text = f"'{text}"
    return '"{}"'.format(text.replace('"', '""')) if _QUOTED.search(text) else text
