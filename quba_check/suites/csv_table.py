"""Tables in CSV files, with line numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from quba_check.errors import SuiteError
from quba_check.storage.user_files import regular_file

CsvRow = tuple[int, dict[str, str]]
"""Last line of a row that is not empty, from 1, and its text by column; empty if the row is too short."""


def csv_rows(
    path: Path, columns: Sequence[str], plural: Mapping[str, str] = MappingProxyType({})
) -> Generator[CsvRow, None, None]:
    """Yield the rows of a CSV file with the given columns; other columns are skipped.

    Args:
        path: the file, in UTF-8, with or without a byte order mark.
        columns: two or more required columns.
        plural: by required column, another one that is read if the file has it instead.

    Raises:
        SuiteError: the file cannot be read, is not a CSV file, or lacks a column.
    """
    try:
        with (
            regular_file(path, str(path), SuiteError) as content,
            io.TextIOWrapper(content, encoding="utf-8-sig", newline="") as file,
        ):
            rows = csv.DictReader(file, strict=True, restval="")
            header = rows.fieldnames or ()
            if repeated := next((name for name in columns if header.count(name) > 1), None):
                raise SuiteError(f"{path}:1: the header names {repeated} twice.")
            for one, several in plural.items():
                if {one, several} <= set(header):
                    raise SuiteError(f"{path}:1: the header names {one} and {several}. Allowed: one of them.")
            columns = [plural[name] if plural.get(name) in header else name for name in columns]
            if not set(columns) <= set(header):
                got = ", ".join(header) or "nothing"
                required = f"{', '.join(columns[:-1])} and {columns[-1]}"
                raise SuiteError(f"{path}:1: the header must name {required}, got {got}.")
            for row in rows:
                yield rows.line_num, {column: row[column] for column in columns}
    except UnicodeDecodeError:
        raise SuiteError(f"{path}: not a text file in UTF-8.") from None
    except csv.Error as error:
        raise SuiteError(f"{path}:{rows.reader.line_num}: not a CSV file ({error}).") from None
