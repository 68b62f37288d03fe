"""The reader `parquet`: images that a Parquet file lists, or holds."""

from __future__ import annotations

import json
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path
from typing import Any

from PIL import Image

from quba_check.errors import SuiteError, did_you_mean, listed
from quba_check.suites.class_list import ClassList
from quba_check.suites.readers.file_cache import Kept
from quba_check.suites.readers.listed import Listed
from quba_check.suites.readers.listing import ListedRow, files_of
from quba_check.suites.readers.paths import files_at
from quba_check.suites.readers.table_rows import labelled_rows, stored_image

PATH, IMAGE, LABEL = "path", "image", "label"
_FILES_KEPT, _GROUPS_KEPT = 64, 4


def parquet_images(
    path: Path, classes: ClassList, *, image: str | None = None, label: str = LABEL
) -> list[Listed]:
    """Images of a Parquet file: columns `path` (relative to the file) and `label`, or `image` and `label`.

    A column of images holds their files' bytes, alone or as Hugging Face stores them. Labels are class names,
    or positions in the class list; of a file that Hugging Face wrote, positions in the list of names that it
    carries, which are matched by name.

    Args:
        path: the file, a folder of them, or several, as in `test-*.parquet`.
        classes: the class list.
        image: the column of images; by default `path`, and where there is none, `image`.
        label: the column of labels.

    Raises:
        SuiteError: `pyarrow` is not installed, a column is not there, a label is no class, or an image is not
            there or is listed twice.
    """
    files = files_at(path, ".parquet")
    places: dict[Path, str] | None = {} if len(files) > 1 else None
    images = [found for file in files for found in _of_file(file, classes, image, label, places)]
    if not images:
        raise SuiteError(f"{path}: lists no images.")
    return images


def parquet_member(path: Path, member: str) -> Image.Image:
    """Open the image `COLUMN/ROW` of a file; the rows around it are kept, for they are read together."""
    column, _, row = member.rpartition("/")
    ends = _ends(path)
    number = bisect_right(ends, int(row))
    if number == len(ends):
        raise SuiteError(f"{path}: there is no row {row} in it.")
    start = ends[number - 1] if number else 0
    return stored_image(_group(path, column, str(number))[int(row) - start].as_py())


def _ends_of_groups(path: Path) -> list[int]:
    metadata = _file(path).metadata
    return list(accumulate(metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)))


def _rows_of_group(path: Path, column: str, number: str) -> Any:
    return _file(path).read_row_group(int(number), columns=[column]).column(0)


def _whole(path: Path, file: Any, column: str) -> list[Any]:
    """A column of a file."""
    try:
        values: list[Any] = file.read(columns=[column]).column(0).to_pylist()
    except Exception:  # noqa: BLE001  what pyarrow raises for pages that it cannot read
        raise SuiteError(f"{path}: the column '{column}' cannot be read. The file is damaged.") from None
    return values


_ends = Kept(_ends_of_groups, _FILES_KEPT)
_group = Kept(_rows_of_group, _GROUPS_KEPT)


def _of_file(
    path: Path, classes: ClassList, image: str | None, label: str, places: dict[Path, str] | None
) -> list[Listed]:
    file = _file(path)
    columns = file.schema_arrow.names
    source = image or (PATH if PATH in columns else IMAGE)
    for column in (source, label):
        if column not in columns:
            near = did_you_mean(column, columns)
            raise SuiteError(f"{path}: there is no column '{column}'.{near} Allowed: {listed(columns)}.")
    labels = _whole(path, file, label)
    positions = labelled_rows(str(path), labels, _class_names(file.schema_arrow.metadata, label), classes)
    if source != PATH:
        return [Listed(path.as_posix(), k, member=f"{source}/{row}") for row, k in enumerate(positions)]
    names = _whole(path, file, PATH)
    of_file = "" if places is None else f" of {path.name}"
    rows = (
        ListedRow(f"{path}[{row}]", f"row {row}{of_file}", str(name), k)
        for row, (name, k) in enumerate(zip(names, positions, strict=True))
    )
    return files_of(rows, path.parent, places)


def _class_names(metadata: dict[bytes, bytes] | None, label: str) -> list[str] | None:
    """The class names that Hugging Face keeps in a file's metadata."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return [str(name) for name in features[label]["names"]]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


def _file(path: Path) -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise SuiteError(
            f"{path}: the reader parquet needs pyarrow, which is not installed. "
            'Install it: pip install "quba-check[parquet]".'
        ) from None
    try:
        return parquet.ParquetFile(path)
    except OSError as error:
        raise SuiteError(f"{path}: cannot be read ({error.strerror or error}).") from None
    except Exception:  # noqa: BLE001  whatever pyarrow raises for what is no Parquet file
        raise SuiteError(f"{path}: not a Parquet file, or damaged.") from None
