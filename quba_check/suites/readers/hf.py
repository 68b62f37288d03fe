"""The reader `hf`: a Hugging Face dataset written by `save_to_disk`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from quba_check.errors import SuiteError, extra_needed
from quba_check.messages import allowed_names, listed
from quba_check.suites.class_list import ClassList
from quba_check.suites.readers.containers import (
    FileCache,
    cells_by_row,
    check_columns,
    label_positions,
    open_cell,
)
from quba_check.suites.readers.listing import LabelledImage

if TYPE_CHECKING:
    from datasets import Dataset

IMAGE, LABEL = "image", "label"
_TABLES_CACHED = 64


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
    _check_columns(path, dataset, image, label, *columns)
    images: list[LabelledImage] = []
    for file in dict.fromkeys(entry["filename"] for entry in dataset.cache_files):
        part = _table(Path(file), image, label, *columns)
        names = getattr(part.features[label], "names", None)
        positions = label_positions(file, part[label][:], names, classes)
        cells = cells_by_row([part[column][:] for column in columns], len(positions))
        images += [
            LabelledImage(Path(file).as_posix(), k, member=f"{image}/{row}", cells=cells[row])
            for row, k in enumerate(positions)
        ]
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


_table = FileCache(_open_table, _TABLES_CACHED)


def _library(path: Path) -> Any:
    with extra_needed(f"{path}: the reader hf", "datasets", SuiteError, extra="hf"):
        import datasets
    return datasets


def _split(path: Path, name: str | None) -> Dataset:
    datasets = _library(path)
    try:
        dataset = datasets.load_from_disk(str(path))
    except Exception:  # noqa: BLE001  datasets and pyarrow raise any error for damaged files
        raise SuiteError(f"{path}: not a folder that save_to_disk of datasets wrote, or damaged.") from None
    if not isinstance(dataset, datasets.DatasetDict):
        if name is not None:
            raise SuiteError("has no splits", where=f"{path}", got=f"split: {name}", hint="Remove the key.")
        return dataset
    if name not in dataset:
        what = "split is missing" if name is None else f"there is no split '{name}'"
        raise SuiteError(what, where=f"{path}", hint=allowed_names(name or "", dataset))
    return dataset[name]


def _check_columns(path: Path, dataset: Dataset, image: str, *columns: str) -> None:
    datasets = _library(path)
    features = dataset.features
    check_columns(path, (image, *columns), features)
    if not isinstance(features[image], datasets.Image):
        of_images = [name for name, feature in features.items() if isinstance(feature, datasets.Image)]
        allowed = listed(of_images) or "none here"
        raise SuiteError(f"the column '{image}' holds no images", where=f"{path}: image", allowed=allowed)
