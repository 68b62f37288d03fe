"""Contents of a store: predictions by model and view, records, prepared images."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Literal

from quba_check.messages import one_line
from quba_check.storage.objects import StoredFile
from quba_check.storage.shard import DamagedShardError
from quba_check.storage.store import Store, is_predictions, stored_header

Kind = Literal["predictions", "images", "copies", "records", "other"]
READERS = 16
"""Files read at once. Most of the time goes into waiting for a network or a disk."""
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
        model: name of the model of predictions; None if they are damaged.
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
    read = partial(_inventory_file, store)
    with ThreadPoolExecutor(READERS) as pool:
        return Inventory(tuple(each for each in pool.map(read, store.files()) if each is not None))


def _inventory_file(store: Store, file: StoredFile) -> InventoryFile | None:
    """Return a file with the model that it states; None if it is gone."""
    kind = kind_of(file.name)
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


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """The files of one model in a store.

    Attributes:
        model: its name; None for damaged files.
        views: names of the predicted views.
        entries: number of cache entries: more than views if weights, images, settings or libraries differ.
        images: number of predicted images, of all cache entries.
        size: bytes of predictions.
        modified: Unix time of the last change.
    """

    model: str | None
    views: tuple[str, ...]
    entries: int
    images: int
    size: int
    modified: float


def model_rows(inventory: Inventory) -> list[ModelSummary]:
    """Return a row for each model, the last changed one first."""
    by_model: dict[str | None, list[InventoryFile]] = {}
    for each in inventory.of("predictions"):
        by_model.setdefault(each.model, []).append(each)
    rows = [
        ModelSummary(
            model,
            tuple(sorted({each.view for each in files if each.view is not None})),
            len({each.group for each in files}),
            sum(each.images for each in files),
            total_size(each.file for each in files),
            max(each.file.modified for each in files),
        )
        for model, files in by_model.items()
    ]
    return sorted(rows, key=lambda row: (-row.modified, str(row.model)))


def total_size(files: Iterable[StoredFile]) -> int:
    """Return the size of files in bytes."""
    return sum(file.size for file in files)
