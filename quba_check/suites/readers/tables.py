"""Readers of tables: `parquet`, and `hf` for Hugging Face datasets written by `save_to_disk`."""

from __future__ import annotations

import io
import json
import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import accumulate, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quba_check.core.predictions import NO_CLASS
from quba_check.errors import SuiteError, extra_needed
from quba_check.messages import known_names, listed
from quba_check.suites.label_spaces import ClassList
from quba_check.suites.readers.listing import (
    LABEL,
    LABELS,
    FileCache,
    LabelledImage,
    cells_by_row,
    files_at,
    list_files,
)

if TYPE_CHECKING:
    from datasets import Dataset
    from PIL import Image

PATH = "path"
IMAGE = "image"
_FILES_CACHED = 64
_GROUPS_CACHED = 4
_NUMBER_OF_FILES = re.compile(r"-of-(\d+)\.arrow\b")


def check_columns(path: Path, columns: Iterable[str], existing: Collection[str]) -> None:
    """Raise `SuiteError` if a table lacks a column."""
    for column in columns:
        if column not in existing:
            raise SuiteError(
                f"there is no column '{column}'", where=f"{path}", **known_names(column, existing)
            )


def label_positions(
    where: str, labels: Iterable[object], names: Sequence[str] | None, classes: ClassList
) -> list[int]:
    """Return the positions of the classes in a column of labels.

    Args:
        where: the file, for messages.
        labels: the column.
        names: class names by number; None if numbers are positions in the class list.
        classes: the class list.

    Raises:
        SuiteError: a label is unknown.
    """
    by_number = None if names is None else classes.positions_of(names)

    def position(row: int, label: object) -> int:
        row_label = f"{where}[{row}]"
        if names is None or by_number is None or not isinstance(label, int) or isinstance(label, bool):
            return classes.position(label, row_label)
        number = by_number[label] if 0 <= label < len(by_number) else None
        if number is None:
            name = names[label] if 0 <= label < len(names) else str(label)
            raise SuiteError(where=row_label, **classes.unknown("class", name))
        return number

    return [position(row, label) for row, label in enumerate(labels)]


def open_cell(cell: Mapping[str, Any] | bytes | None) -> Image.Image:
    """Open the image of a cell: bytes, or a mapping with bytes as in `datasets`.

    Raises:
        ValueError: the cell holds no bytes.
    """
    from PIL import Image

    content = cell.get("bytes") if isinstance(cell, Mapping) else cell
    if not content:
        raise ValueError("its bytes are not stored in the file")
    return Image.open(io.BytesIO(content))


def parquet_images(
    path: Path,
    classes: ClassList,
    *,
    image: str | None = None,
    label: str = LABEL,
    columns: Sequence[str] = (),
    is_labelled: bool = True,
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
        is_labelled: False if the images have no class; a column of labels is not read.

    Raises:
        SuiteError: `pyarrow` is not installed, a column is missing, a label is unknown, or an image is
            missing or listed twice.
    """
    rows_by_file: dict[str, str] = {}
    images: list[LabelledImage] = []
    for table_path in files_at(path, ".parquet"):
        file = _open_file(table_path)
        existing = file.schema_arrow.names
        source = image or (PATH if PATH in existing else IMAGE)
        check_columns(table_path, (source, *columns), existing)
        positions = _right_classes(table_path, file, label, classes) if is_labelled else []
        positions = positions or [(NO_CLASS,)] * file.metadata.num_rows
        cells = cells_by_row([_read_column(table_path, file, column) for column in columns], len(positions))
        is_listed = source == PATH
        files = _read_paths(table_path, file) if is_listed else [table_path.as_posix()] * len(positions)
        rows = [
            LabelledImage(name, k[0], NO_CLASS, None if is_listed else f"{source}/{row}", texts, k[1:])
            for row, (name, k, texts) in enumerate(zip(files, positions, cells, strict=True))
        ]
        located = ((f"{table_path}[{row}]", image) for row, image in enumerate(rows))
        images += list_files(located, table_path.parent, rows_by_file) if is_listed else rows
    if not images:
        raise SuiteError("lists no images.", where=f"{path}")
    return images


def _right_classes(path: Path, file: Any, label: str, classes: ClassList) -> list[tuple[int, ...]]:
    """Return the right classes of each row of a Parquet file."""
    existing = file.schema_arrow.names
    if label == LABEL and LABELS in existing:
        if LABEL in existing:
            raise SuiteError(f"has the columns {LABEL} and {LABELS}", where=f"{path}", allowed="one of them")
        texts = _read_column(path, file, LABELS)
        return [classes.positions(text, f"{path}[{row}]") for row, text in enumerate(texts)]
    check_columns(path, (label,), existing)
    names = _class_names(file.schema_arrow.metadata, label)
    return [(k,) for k in label_positions(str(path), _read_column(path, file, label), names, classes)]


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
    for table_path in files_at(path, ".parquet"):
        file = _open_file(table_path)
        if PATH in file.schema_arrow.names:
            paths += [table_path.parent / name for name in _read_paths(table_path, file)]
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
        raise SuiteError(
            f"the column '{column}' cannot be read. The file is damaged.", where=f"{path}"
        ) from None
    return values


def _read_paths(path: Path, file: Any) -> list[str]:
    paths = _read_column(path, file, PATH)
    if None in paths:
        raise SuiteError(where=f"{path}[{paths.index(None)}]: {PATH}", got="nothing", allowed="text")
    return [*map(str, paths)]


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
        file = parquet.ParquetFile(path)
        names = file.schema_arrow.names
    except OSError as error:
        raise SuiteError(f"cannot be read ({error.strerror or error}).", where=f"{path}") from None
    except Exception:  # noqa: BLE001  pyarrow raises any error for other files
        raise SuiteError("not a Parquet file, or damaged.", where=f"{path}") from None
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated:
        raise SuiteError(f"there is more than one column '{repeated}'.", where=f"{path}")
    return file


def hf_images(
    path: Path,
    classes: ClassList,
    *,
    split: str | None = None,
    image: str = IMAGE,
    label: str = LABEL,
    columns: Sequence[str] = (),
) -> list[LabelledImage]:
    """List the images of a dataset written by `save_to_disk` of the library `datasets`.

    Labels of a ClassLabel column are matched to the class list by name, so that their order may differ. In
    other columns, whole numbers are positions in the class list and text is a class name.

    Args:
        path: the folder.
        classes: the class list.
        split: the split, if the folder holds several.
        image: column of images.
        label: column of labels.
        columns: further columns to read.

    Raises:
        SuiteError: `datasets` is not installed, the folder holds no dataset, a split or column is missing, or
            a label is unknown.
    """
    dataset = _split(path, split)
    _check_dataset(path, dataset, image, label, *columns)
    images: list[LabelledImage] = []
    files = dict.fromkeys(entry["filename"] for entry in dataset.cache_files)
    for file in files:
        part = _table(Path(file), image, label, *columns)
        names = getattr(part.features[label], "names", None)
        stated = getattr(dataset.features[label], "names", None)
        if names != stated:
            pairs = zip_longest(stated or (), names or (), fillvalue="nothing")
            raise SuiteError(
                f"dataset_info.json and {Path(file).name} name the classes of '{label}' differently",
                where=f"{path}",
                got=next(f"{first} and {second}" for first, second in pairs if first != second),
            )
        positions = label_positions(file, part[label][:], names, classes)
        cells = cells_by_row([part[column][:] for column in columns], len(positions))
        images += [
            LabelledImage(Path(file).as_posix(), k, member=f"{image}/{row}", cells=cells[row])
            for row, k in enumerate(positions)
        ]
    stated_files = {int(number) for number in _NUMBER_OF_FILES.findall(" ".join(files))}
    if not images or len(images) != len(dataset) or not stated_files <= {len(files)}:
        raise SuiteError(
            "has no rows, or state.json does not list each of its files once",
            where=f"{path}",
            hint="Save the dataset again.",
        )
    return images


def hf_member(path: Path, member: str) -> Image.Image:
    """Open the image `COLUMN/ROW` of a file of rows."""
    column, _, row = member.rpartition("/")
    return open_cell(_table(path, column)[int(row)][column])


def _open_table(path: Path, *columns: str) -> Dataset:
    """Memory-map some columns of a file of rows, without decoding images."""
    datasets = _library(path)
    try:
        table = datasets.Dataset.from_file(str(path)).select_columns(list(columns))
        return table.cast_column(columns[0], datasets.Image(decode=False))
    except Exception:  # noqa: BLE001  datasets and pyarrow raise any error for damaged files
        raise SuiteError("not a file of rows that save_to_disk wrote, or damaged.", where=f"{path}") from None


_table = FileCache(_open_table, _FILES_CACHED)


def _library(path: Path) -> Any:
    with extra_needed(f"{path}: the reader hf", "datasets", SuiteError, extra="hf"):
        import datasets
    return datasets


def _split(path: Path, name: str | None) -> Dataset:
    datasets = _library(path)
    try:
        dataset = datasets.load_from_disk(str(path), keep_in_memory=False)
    except Exception:  # noqa: BLE001  datasets and pyarrow raise any error for damaged files
        raise SuiteError(
            "not a folder that save_to_disk of datasets wrote, or damaged.", where=f"{path}"
        ) from None
    if not isinstance(dataset, datasets.DatasetDict):
        if name is not None:
            raise SuiteError("has no splits", where=f"{path}", got=f"split: {name}", hint="Remove the key.")
        return dataset
    if name not in dataset:
        what = "split is missing" if name is None else f"there is no split '{name}'"
        raise SuiteError(what, where=f"{path}", **known_names(name or "", dataset))
    return dataset[name]


def _check_dataset(path: Path, dataset: Dataset, image: str, *columns: str) -> None:
    datasets = _library(path)
    features = dataset.features
    check_columns(path, (image, *columns), features)
    if not isinstance(features[image], datasets.Image):
        of_images = [name for name, feature in features.items() if isinstance(feature, datasets.Image)]
        allowed = listed(of_images) or "none here"
        raise SuiteError(f"the column '{image}' holds no images", where=f"{path}: image", allowed=allowed)
