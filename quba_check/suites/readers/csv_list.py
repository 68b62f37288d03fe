"""The reader `csv`: images that a CSV file lists."""

from __future__ import annotations

from pathlib import Path

from quba_check.errors import SuiteError
from quba_check.suites.class_list import ClassList
from quba_check.suites.csv_table import CsvRow, csv_rows
from quba_check.suites.readers.listed import Listed
from quba_check.suites.readers.listing import ListedRow, files_of

_COLUMNS = ("path", "label")


def csv_images(path: Path, classes: ClassList) -> list[Listed]:
    """Images that a CSV file lists in its columns `path` (relative to the file) and `label`.

    A label is a class name, or a class number where no class has that name. Further columns are passed over;
    rows keep their order.

    Args:
        path: the CSV file.
        classes: the class list.

    Raises:
        SuiteError: with its line: a column is missing, a label is no class, an image is not there or is
            listed twice.
    """
    images = files_of((_row(path, row, classes) for row in csv_rows(path, _COLUMNS)), path.parent)
    if not images:
        raise SuiteError(f"{path}: lists no images. Expected: rows of path and label under that header.")
    return images


def _row(path: Path, row: CsvRow, classes: ClassList) -> ListedRow:
    where = f"{path}:{row.line}"
    return ListedRow(
        where, f"line {row.line}", row.cells["path"], classes.position(row.cells["label"], where)
    )
