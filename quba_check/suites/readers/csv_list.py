"""The reader `csv`: images listed in a CSV file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from quba_check.errors import SuiteError
from quba_check.suites.class_list import ClassList
from quba_check.suites.csv_table import CsvRow, csv_rows
from quba_check.suites.readers.listing import LABELS, LabelledImage, list_files

_COLUMNS = ("path", "label")
_PLURAL = {"label": LABELS}


def csv_images(path: Path, classes: ClassList, *, columns: Sequence[str] = ()) -> list[LabelledImage]:
    """List the images of a CSV file with the columns `path` and `label` or `labels`.

    Rows keep their order. Paths are relative to the file. A label is a class name, or a class number if no
    class has that name. `labels` are the classes that are right answers, such as `cat|dog`.

    Args:
        path: the CSV file.
        classes: the class list.
        columns: further columns to read; others are skipped.

    Raises:
        SuiteError: a column is missing, a label is unknown, or an image is missing or listed twice.
    """

    def listed_row(row: CsvRow) -> tuple[str, LabelledImage]:
        where, cells = f"{path}:{row[0]}", row[1]
        several = cells.get(LABELS)
        label, *also = (
            (classes.position(cells["label"], where),)
            if several is None
            else classes.positions(several, where)
        )
        own = tuple(cells[column] for column in columns)
        return where, LabelledImage(cells["path"], label, cells=own, also=tuple(also))

    with closing(csv_rows(path, (*_COLUMNS, *columns), _PLURAL)) as rows:
        images = list_files(map(listed_row, rows), path.parent, {})
    if not images:
        raise SuiteError(f"{path}: lists no images. Expected: rows of path and label under that header.")
    return images


def csv_paths(path: Path, *, columns: Sequence[str] = ()) -> list[Path]:  # noqa: ARG001
    """Return the paths of the images that a CSV file names; they may be missing.

    Raises:
        SuiteError: the file cannot be read, or lacks a column.
    """
    with closing(csv_rows(path, _COLUMNS, _PLURAL)) as rows:
        return [path.parent / cells["path"] for _, cells in rows]
