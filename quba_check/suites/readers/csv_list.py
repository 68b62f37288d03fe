"""The reader `csv`, and the rows of CSV files."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from quba_check.core.predictions import NO_CLASS
from quba_check.errors import SuiteError
from quba_check.storage.user_files import regular_file
from quba_check.suites.label_spaces import ClassList
from quba_check.suites.readers.listing import LABEL, LABELS, LabelledImage, list_files

_COLUMNS = ("path", "label")
_LINE_END = re.compile(r"\r\n|\r|\n")
CsvRow = tuple[int, dict[str, str]]
"""Line of a row that is not empty, from 1, and its text by column; empty if the row is too short."""


def csv_rows(path: Path, columns: Sequence[str], *, others: bool = False) -> Iterator[CsvRow]:
    """Yield the rows of a CSV file with the given columns; other columns are skipped.

    Args:
        path: the file, in UTF-8, with or without a byte order mark.
        columns: the required columns. `labels` is read for `label` if the file has it instead.
        others: read the other columns, too.

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
            if LABEL in columns and LABELS in header:
                if LABEL in header:
                    raise SuiteError(
                        "the header names label and labels", where=f"{path}:1", allowed="one of them"
                    )
                columns = [LABELS if name == LABEL else name for name in columns]
            repeated = next((name for name in columns if header.count(name) > 1), None)
            if repeated:
                raise SuiteError(f"the header names {repeated} twice.", where=f"{path}:1")
            if not set(columns) <= set(header):
                got = ", ".join(header) or "nothing"
                required = " and ".join(filter(None, (", ".join(columns[:-1]), columns[-1])))
                raise SuiteError(f"the header must name {required}", where=f"{path}:1", got=got)
            _check_lines(path, rows.line_num, header)
            for row in rows:
                if any(row.pop(None, ())):
                    raise SuiteError(
                        f"more cells than the {len(header)} columns of the header",
                        where=f"{path}:{rows.line_num}",
                        hint="Quote a cell that contains a comma.",
                    )
                _check_lines(path, rows.line_num, row.values())
                yield rows.line_num, {column: row[column] for column in (header if others else columns)}
    except UnicodeDecodeError:
        raise SuiteError("not a text file in UTF-8.", where=f"{path}") from None
    except csv.Error as error:
        raise SuiteError(f"not a CSV file ({error}).", where=f"{path}:{rows.reader.line_num}") from None


def _check_lines(path: Path, line: int, cells: Iterable[str]) -> None:
    """Raise `SuiteError` if a row has line ends: a quote may have joined rows.

    Args:
        path: the file.
        line: last line of the row.
        cells: its cells.
    """
    breaks = _LINE_END.findall(" ".join(cells))
    if breaks:
        raise SuiteError(
            f"a quoted cell runs to line {line}, and could hide rows",
            where=f"{path}:{line - len(breaks)}",
            allowed="cells on one line",
        )


def csv_images(
    path: Path, classes: ClassList, *, columns: Sequence[str] = (), is_labelled: bool = True
) -> list[LabelledImage]:
    """List the images of a CSV file with the columns `path` and `label` or `labels`.

    Rows keep their order. Paths are relative to the file. A label is a class name, or a class number if no
    class has that name. `labels` are the classes that are right answers, such as `cat|dog`.

    Args:
        path: the CSV file.
        classes: the class list.
        columns: further columns to read; others are skipped.
        is_labelled: False if the images have no class; a column of labels is not read.

    Raises:
        SuiteError: a column is missing, a label is unknown, or an image is missing or listed twice.
    """

    def listed_row(row: CsvRow) -> tuple[str, LabelledImage]:
        where = f"{path}:{row[0]}"
        cells = row[1]
        labels: tuple[int, ...] = (NO_CLASS,)
        if is_labelled and LABEL in cells:
            labels = (classes.position(cells[LABEL], where),)
        elif is_labelled:
            labels = classes.positions(cells[LABELS], where)
        own = tuple(cells[column] for column in columns)
        return where, LabelledImage(cells["path"], labels[0], cells=own, also=labels[1:])

    rows = csv_rows(path, (*_COLUMNS[: 1 + is_labelled], *columns))
    images = list_files(map(listed_row, rows), path.parent, {})
    if not images:
        raise SuiteError(
            "lists no images. Expected: rows of path and label under that header.", where=f"{path}"
        )
    return images


def csv_paths(path: Path, *, is_labelled: bool = True, **_others: object) -> list[Path]:
    """Return the paths of the images that a CSV file names; they may be missing.

    Raises:
        SuiteError: the file cannot be read, or lacks a column.
    """
    return [path.parent / cells["path"] for _, cells in csv_rows(path, _COLUMNS[: 1 + is_labelled])]
