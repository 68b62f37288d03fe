"""Contents of a store: predictions by model and view, records, prepared images."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import PurePosixPath
from typing import Literal

from quba_check.errors import StoreError
from quba_check.messages import one_line
from quba_check.storage.json_text import parse_json
from quba_check.storage.objects import StoredFile
from quba_check.storage.shard import DamagedShardError
from quba_check.storage.store import Store, is_predictions, stored_header

Kind = Literal["predictions", "images", "copies", "records", "other"]
READERS = 16
"""Files read at once. Most of the time goes into waiting for a network or a disk."""
LARGEST_RECORD = 2**28
_KINDS: dict[tuple[str, str], Kind] = {
    ("runs", ".json"): "records",
    ("runs", ".npz"): "records",
    ("images", ".npy"): "images",
}
"""Kinds by folder and suffix."""


@dataclass(frozen=True, slots=True)
class InventoryFile:
    """A file of a store.

    Attributes:
        file: the file.
        kind: its kind: predictions of one or several shards, prepared images of a shard, copies of data at
            URLs, or a record with its per-image file.
        model: name of the model of predictions and records; None if they are damaged.
        view: name of the view of predictions; None if they are damaged.
        images: number of predicted images; 0 if they are damaged.
    """

    file: StoredFile
    kind: Kind
    model: str | None = None
    view: str | None = None
    images: int = 0

    @property
    def group(self) -> str:
        """Cache entry of predictions, and URL of copies; the name of any other file."""
        is_one_of_many = self.kind in ("predictions", "copies")
        return self.file.name.split("/")[1] if is_one_of_many else self.file.name


@dataclass(frozen=True, slots=True)
class Inventory:
    """The files of a store."""

    files: tuple[InventoryFile, ...]

    def of(self, *kinds: Kind) -> list[InventoryFile]:
        """Return the files of some kinds."""
        return [each for each in self.files if each.kind in kinds]

    def size(self, *kinds: Kind) -> int:
        """Return the size of the files of some kinds in bytes, by default of all."""
        return total_size(each.file for each in (self.of(*kinds) if kinds else self.files))

    @property
    def models(self) -> list[str]:
        """Names of the models with predictions or records, in alphabetical order."""
        return sorted({each.model for each in self.files if each.model is not None})


def kind_of(name: str) -> Kind:
    """Return the kind of a file of a store.

    >>> kind_of("runs/20260101T000000-0123abcd-standard-1.json"), kind_of("images/.lock")
    ('records', 'other')
    """
    path = PurePosixPath(name)
    if path.name.startswith("."):
        return "other"
    if is_predictions(name):
        return "predictions"
    if path.parts[0] == "mirror":
        return "copies"
    return _KINDS.get((str(path.parent), path.suffix), "other")


def read_inventory(store: Store) -> Inventory:
    """Return the contents of a store.

    Only the start of each file with predictions is read. Files that are removed meanwhile are left out.
    """
    read = partial(_inventory_file, store, cache(partial(_model_of_record, store)))
    with ThreadPoolExecutor(READERS) as pool:
        return Inventory(tuple(each for each in pool.map(read, store.files()) if each is not None))


def _inventory_file(
    store: Store, model_of_record: Callable[[str], str | None], file: StoredFile
) -> InventoryFile | None:
    """Return a file with the model that it states; None if it is gone."""
    kind = kind_of(file.name)
    if kind == "records":
        return InventoryFile(file, kind, model_of_record(str(PurePosixPath(file.name).with_suffix(".json"))))
    if kind != "predictions":
        return InventoryFile(file, kind)
    try:
        header = stored_header(store.objects, file.name, file.size)
        model, view = one_line(header.metadata["model"]), one_line(header.metadata["view"])
    except FileNotFoundError:
        return None
    except (DamagedShardError, KeyError):
        return InventoryFile(file, kind)
    return InventoryFile(file, kind, model, view, header.images)


def _model_of_record(store: Store, name: str) -> str | None:
    """Return the name of the model in a record, None if it cannot be read."""
    try:
        model = parse_json(store.objects.get(name, LARGEST_RECORD))["model"]["name"]
    except (StoreError, FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return one_line(model) if isinstance(model, str) else None


@dataclass(frozen=True, slots=True)
class ModelSummary:
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


def model_rows(inventory: Inventory) -> list[ModelSummary]:
    """Return a row for each model, the last changed one first."""
    by_model: dict[str | None, list[InventoryFile]] = {}
    for each in inventory.of("predictions", "records"):
        by_model.setdefault(each.model, []).append(each)
    rows = [
        ModelSummary(
            model,
            tuple(sorted({each.view for each in files if each.view is not None})),
            len({each.group for each in files if each.kind == "predictions"}),
            sum(each.images for each in files),
            total_size(each.file for each in files),
            sum(each.file.name.endswith(".json") for each in files),
            max(each.file.modified for each in files),
        )
        for model, files in by_model.items()
    ]
    return sorted(rows, key=lambda row: (-row.modified, str(row.model)))


def total_size(files: Iterable[StoredFile]) -> int:
    """Return the size of files in bytes."""
    return sum(file.size for file in files)
