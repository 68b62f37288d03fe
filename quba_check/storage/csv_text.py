"""CSV files that spreadsheets read without formulas."""

from __future__ import annotations

import re
from collections.abc import Iterable

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""First characters of cells that a spreadsheet reads as formulas."""
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_QUOTED = re.compile('[",;\r\n]')
"""Characters that need quotes. A lone carriage return would end a row in the csv module, and a semicolon
separates cells in locales with a decimal comma."""
CsvCell = str | int | float | None


def csv_text(headings: Iterable[str], rows: Iterable[Iterable[CsvCell]]) -> str:
    """Return a table with headings as CSV, without formulas.

    A string that begins like a formula gets an apostrophe in front; numbers stay numbers, also in strings.
    None is an empty cell. Bytes of a file name that are not UTF-8 are written as escapes.

    >>> csv_text(["file", "loss"], [["=1+1.png", -0.5], ["a.png", None]]).splitlines()
    ['file,loss', "'=1+1.png,-0.5", 'a.png,']
    """
    return "".join(f"{','.join(map(_cell_text, row))}\n" for row in (headings, *rows))


def _cell_text(cell: CsvCell) -> str:
    if not isinstance(cell, str):
        return "" if cell is None else str(cell)
    text = cell.encode("utf-8", "backslashreplace").decode()
    if text.startswith(FORMULA_STARTS) and not _NUMBER.fullmatch(text):
        text = f"'{text}"
    return '"{}"'.format(text.replace('"', '""')) if _QUOTED.search(text) else text
