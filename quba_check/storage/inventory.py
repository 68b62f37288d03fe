"""Contents of a store: predictions by model and view, records, prepared images."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any, Literal

from quba_check.errors import StoreError
from quba_check.messages import one_line
from quba_check.storage.json_text import parse_json
from quba_check.storage.packs import is_pack
from quba_check.storage.store_files import StoredFile, StoreFiles

Kind = Literal["predictions", "images", "records", "locks", "active", "other"]
READERS = 16
"""Files read at once. Most of the time goes into waiting for a network or a disk."""
FIRST_READ = 2**15
"""Bytes of the first read of a file. The header of a pack of 196 shards takes 20,000."""
LARGEST_HEADER = 10**8
LARGEST_RECORD = 2**28
ENTRY = r"[0-9a-f]{32}"
_SHARD = re.compile(r"\d{5,}-[0-9a-f]{1,16}\.safetensors")
_PREDICTIONS = re.compile(rf"predictions/({ENTRY})/([^/]+)")
_RECORD_SUFFIXES = (".json", ".npz")


@dataclass(frozen=True, slots=True)
class PredictionFile:
    """A file with predictions: one shard, or a pack of shards.

    Attributes:
        file: the file.
        model: name of the model; None if the file is damaged.
        view: name of the view; None if the file is damaged.
        images: number of predicted images; 0 if the file is damaged.
    """

    file: StoredFile
    model: str | None
    view: str | None
    images: int

    @property
    def entry(self) -> str:
        """Name of the cache entry."""
        return self.file.name.split("/")[1]


@dataclass(frozen=True, slots=True)
class RecordFile:
    """A record of a gate run, or the per-image file next to it.

    Attributes:
        file: the file.
        model: name of the model; None if the record is damaged or missing.
    """

    file: StoredFile
    model: str | None


@dataclass(frozen=True, slots=True)
class Inventory:
    """The files of a store by kind.

    Attributes:
        predictions: files with predictions.
        records: records and their per-image files.
        images: prepared images.
        others: all other files.
    """

    predictions: tuple[PredictionFile, ...]
    records: tuple[RecordFile, ...]
    images: tuple[StoredFile, ...]
    others: tuple[StoredFile, ...]

    @property
    def size(self) -> int:
        """Size of all files in bytes."""
        return total_size([*(each.file for each in self.of_models), *self.images, *self.others])

    @property
    def of_models(self) -> tuple[PredictionFile | RecordFile, ...]:
        """The predictions and records."""
        return (*self.predictions, *self.records)

    @property
    def models(self) -> list[str]:
        """Names of the models with predictions or records, in alphabetical order."""
        return sorted({each.model for each in self.of_models if each.model is not None})


def kind_of(name: str) -> Kind:
    """Return the kind of a file of a store.

    >>> kind_of("runs/20260101T000000-0123abcd-standard-1.json"), kind_of("images/.lock")
    ('records', 'other')
    """
    folder, _, rest = name.partition("/")
    if PurePosixPath(name).name.startswith("."):
        return "other"
    match = _PREDICTIONS.fullmatch(name)
    if match is not None and (is_pack(match[2]) or _SHARD.fullmatch(match[2])):
        return "predictions"
    if "/" not in rest and rest:
        if folder == "runs" and rest.endswith(_RECORD_SUFFIXES):
            return "records"
        if folder == "images" and rest.endswith(".images"):
            return "images"
        if folder == "locks" and rest.endswith(".lock"):
            return "locks"
        if folder == "active" and rest.endswith(".json"):
            return "active"
    return "other"


def read_inventory(store: StoreFiles) -> Inventory:
    """Return the contents of a store.

    Only the start of each file with predictions is read. Files that are removed meanwhile are left out.
    """
    by_kind: dict[Kind, list[StoredFile]] = {}
    for file in store.files():
        by_kind.setdefault(kind_of(file.name), []).append(file)
    with ThreadPoolExecutor(READERS) as pool:
        predictions = pool.map(partial(_prediction_file, store), by_kind.pop("predictions", ()))
        records = _records(store, by_kind.pop("records", ()), pool)
        images = tuple(by_kind.pop("images", ()))
        others = tuple(file for files in by_kind.values() for file in files)
        return Inventory(tuple(each for each in predictions if each is not None), records, images, others)


def _prediction_file(store: StoreFiles, file: StoredFile) -> PredictionFile | None:
    """Return a file with the values of its header; None if it is gone."""
    try:
        header = _header(store, file)
    except StoreError:
        return None if not _exists(store, file.name) else PredictionFile(file, None, None, 0)
    except (ValueError, LookupError, TypeError, AttributeError):
        return PredictionFile(file, None, None, 0)
    about = header["__metadata__"]
    return PredictionFile(
        file, one_line(about["model"]), one_line(about["view"]), header["index"]["shape"][0]
    )


def _header(store: StoreFiles, file: StoredFile) -> dict[str, Any]:
    """Return the header of a safetensors file with predictions.

    Raises:
        StoreError: the file cannot be read.
        ValueError, LookupError, TypeError, AttributeError: it is damaged.
    """
    start = store.start_of(file.name, FIRST_READ)
    end = 8 + int.from_bytes(start[:8], "little")
    if not 8 < end <= min(file.size, LARGEST_HEADER):
        raise ValueError("its header is cut off")
    if end > len(start):
        start = store.start_of(file.name, end)
    header: dict[str, Any] = parse_json(start[8:end])
    about, (images,) = header["__metadata__"], header["index"]["shape"]
    if not (isinstance(about["model"], str) and isinstance(about["view"], str) and isinstance(images, int)):
        raise TypeError("its header has values of other types")
    stated = max(tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__")
    if end + stated != file.size or images < 0:
        raise ValueError("it is cut off")
    return header


def _exists(store: StoreFiles, name: str) -> bool:
    with store.folder_with(name) as folder:
        return (folder / name).exists()


def _records(
    store: StoreFiles, files: Sequence[StoredFile], pool: ThreadPoolExecutor
) -> tuple[RecordFile, ...]:
    """Return records and per-image files, with the model that the record names."""
    records = [file for file in files if file.name.endswith(".json")]
    models = dict(
        zip(
            (_stem(file) for file in records),
            pool.map(partial(_model_of_record, store), records),
            strict=True,
        )
    )
    return tuple(RecordFile(file, models.get(_stem(file))) for file in files)


def _stem(file: StoredFile) -> str:
    return str(PurePosixPath(file.name).with_suffix(""))


def _model_of_record(store: StoreFiles, file: StoredFile) -> str | None:
    """Return the name of the model in a record, None if it cannot be read."""
    try:
        name = parse_json(store.start_of(file.name, LARGEST_RECORD))["model"]["name"]
    except (StoreError, ValueError, KeyError, TypeError):
        return None
    return one_line(name) if isinstance(name, str) else None


@dataclass(frozen=True, slots=True)
class ModelRow:
    """The files of one model in a store.

    Attributes:
        model: its name; None for damaged files.
        views: names of the predicted views.
        entries: number of cache entries: more than views if weights, images, settings or libraries differ.
        images: number of predicted images, of all cache entries.
        size: bytes of predictions and records.
        records: number of records.
        modified: Unix time of the last change.
    """

    model: str | None
    views: tuple[str, ...]
    entries: int
    images: int
    size: int
    records: int
    modified: float


def model_rows(inventory: Inventory) -> list[ModelRow]:
    """Return a row for each model, the last changed one first."""
    by_model: dict[str | None, list[PredictionFile | RecordFile]] = {}
    for each in inventory.of_models:
        by_model.setdefault(each.model, []).append(each)
    rows = [_model_row(model, files) for model, files in by_model.items()]
    return sorted(rows, key=lambda row: (-row.modified, str(row.model)))


def _model_row(model: str | None, files: Sequence[PredictionFile | RecordFile]) -> ModelRow:
    predictions = [each for each in files if isinstance(each, PredictionFile)]
    return ModelRow(
        model,
        tuple(sorted({each.view for each in predictions if each.view is not None})),
        len({each.entry for each in predictions}),
        sum(each.images for each in predictions),
        total_size(each.file for each in files),
        sum(each.file.name.endswith(".json") for each in files),
        max(each.file.modified for each in files),
    )


def total_size(files: Iterable[StoredFile]) -> int:
    """Return the size of files in bytes."""
    return sum(file.size for file in files)
