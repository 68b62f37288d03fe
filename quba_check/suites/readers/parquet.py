"""The reader `parquet`: images listed or stored in Parquet files."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from PIL import Image

from quba_check.core.predictions import NO_CLASS
from quba_check.errors import SuiteError, extra_needed
from quba_check.suites.class_list import ClassList
from quba_check.suites.readers.containers import (
    FileCache,
    cells_by_row,
    check_columns,
    label_positions,
    open_cell,
)
from quba_check.suites.readers.listing import LABEL, LABELS, LabelledImage, files_at, list_files

PATH, IMAGE = "path", "image"
_FILES_CACHED, _GROUPS_CACHED = 64, 4


def parquet_images(
    path: Path,
    classes: ClassList,
    *,
    image: str | None = None,
    label: str = LABEL,
    columns: Sequence[str] = (),
) -> list[LabelledImage]:
    """List the images of Parquet files.

    They have the columns `path` and `label`, or `image` and `label`. Paths are relative to the file. A column
    of images holds the bytes of image files, plain or as Hugging Face stores them. Labels are class names or
    positions in the class list. In files written by Hugging Face they are positions in the file's own list of
    names, which are matched by name. A column `labels` has the classes that are right, such as `cat|dog`.

    Args:
        path: a file, a folder of files, or a pattern such as `test-*.parquet`.
        classes: the class list.
        image: column of images; by default `path`, or `image` if there is no such column.
        label: column of labels.
        columns: further columns to read.

    Raises:
        SuiteError: `pyarrow` is not installed, a column is missing, a label is unknown, or an image is
            missing or listed twice.
    """
    listed: dict[Path, str] = {}
    images: list[LabelledImage] = []
    for one in files_at(path, ".parquet"):
        file, labels_name = _open_file(one), label
        existing = file.schema_arrow.names
        source = image or (PATH if PATH in existing else IMAGE)
        if label == LABEL and LABELS in existing:
            if LABEL in existing:
                raise SuiteError(
                    f"has the columns {LABEL} and {LABELS}", where=f"{one}", allowed="one of them"
                )
            labels_name = LABELS
        check_columns(one, (source, labels_name, *columns), existing)
        labels = _read_column(one, file, labels_name)
        if labels_name == LABELS:
            positions = [classes.positions(text, f"{one}[{row}]") for row, text in enumerate(labels)]
        else:
            names = _class_names(file.schema_arrow.metadata, labels_name)
            positions = [(k,) for k in label_positions(str(one), labels, names, classes)]
        cells = cells_by_row([_read_column(one, file, column) for column in columns], len(positions))
        is_listed = source == PATH
        files = map(str, _read_column(one, file, PATH)) if is_listed else [one.as_posix()] * len(positions)
        rows = [
            LabelledImage(name, k[0], NO_CLASS, None if is_listed else f"{source}/{row}", texts, k[1:])
            for row, (name, k, texts) in enumerate(zip(files, positions, cells, strict=True))
        ]
        located = ((f"{one}[{row}]", image) for row, image in enumerate(rows))
        images += list_files(located, one.parent, listed) if is_listed else rows
    if not images:
        raise SuiteError("lists no images.", where=f"{path}")
    return images


def parquet_paths(path: Path, *, image: str | None = None, **_others: object) -> list[Path]:
    """Return the paths of the images that Parquet files name.

    Args:
        path: see `parquet_images`.
        image: column of images; by default `path`, if there is such a column.

    Raises:
        SuiteError: a file is missing or cannot be read.
    """
    if image not in (None, PATH):
        return []
    paths = []
    for one in files_at(path, ".parquet"):
        file = _open_file(one)
        if PATH in file.schema_arrow.names:
            paths += [one.parent / str(name) for name in _read_column(one, file, PATH)]
    return paths


def parquet_member(path: Path, member: str) -> Image.Image:
    """Open the image `COLUMN/ROW` of a file; its row group is cached."""
    column, _, row = member.rpartition("/")
    ends = _group_ends(path)
    number = bisect_right(ends, int(row))
    if number == len(ends):
        raise SuiteError(f"there is no row {row} in it.", where=f"{path}")
    start = ends[number - 1] if number else 0
    return open_cell(_group(path, column, str(number))[int(row) - start].as_py())


def _read_group_ends(path: Path) -> list[int]:
    metadata = _open_file(path).metadata
    return list(accumulate(metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)))


def _read_group(path: Path, column: str, number: str) -> Any:
    return _open_file(path).read_row_group(int(number), columns=[column]).column(0)


_group_ends = FileCache(_read_group_ends, _FILES_CACHED)
_group = FileCache(_read_group, _GROUPS_CACHED)


def _read_column(path: Path, file: Any, column: str) -> list[Any]:
    try:
        values: list[Any] = file.read(columns=[column]).column(0).to_pylist()
    except Exception:  # noqa: BLE001  pyarrow raises any error for unreadable pages
        raise SuiteError(f"{path}: the column '{column}' cannot be read. The file is damaged.") from None
    return values


def _class_names(metadata: dict[bytes, bytes] | None, label: str) -> list[str] | None:
    """Return the class names that Hugging Face stores in a file's metadata."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return [str(name) for name in features[label]["names"]]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def _open_file(path: Path) -> Any:
    with extra_needed(f"{path}: the reader parquet", "pyarrow", SuiteError, extra="parquet"):
        from pyarrow import parquet
    try:
        return parquet.ParquetFile(path)
    except OSError as error:
        raise SuiteError(f"cannot be read ({error.strerror or error}).", where=f"{path}") from None
    except Exception:  # noqa: BLE001  pyarrow raises any error for other files
        raise SuiteError("not a Parquet file, or damaged.", where=f"{path}") from None
