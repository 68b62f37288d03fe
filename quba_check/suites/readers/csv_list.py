"""The reader `csv`: images that a CSV file lists."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from quba_check.errors import SuiteError
from quba_check.suites.class_list import ClassList
from quba_check.suites.readers.file_list import ListedRow, files_of
from quba_check.suites.readers.listed import Listed

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
    images = files_of(_rows(path, classes), path.parent)
    if not images:
        raise SuiteError(f"{path}: lists no images. Expected: rows of path and label under that header.")
    return images


def _rows(path: Path, classes: ClassList) -> Iterator[ListedRow]:
    """Each row that is not empty."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True, restval="")
            header = rows.fieldnames or ()
            if not set(_COLUMNS) <= set(header):
                got = ", ".join(header) or "nothing"
                raise SuiteError(f"{path}:1: the header must name path and label, got {got}.")
            for row in rows:
                line = rows.line_num
                where = f"{path}:{line}"
                yield ListedRow(where, f"line {line}", row["path"], classes.position(row["label"], where))
    except UnicodeDecodeError:
        raise SuiteError(f"{path}: not a text file in UTF-8.") from None
    except csv.Error as error:
        raise SuiteError(f"{path}:{rows.reader.line_num}: not a CSV file ({error}).") from None
    except OSError as error:
        raise SuiteError(f"{path}: cannot be read ({error.strerror}).") from None
