"""Contents of a store, and the files that can be removed by age and size."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import PurePosixPath
from typing import Literal

from quba_check.messages import one_line
from quba_check.storage.objects import StoredFile, least_recently_used
from quba_check.storage.shard import DamagedShardError
from quba_check.storage.store import Store, is_predictions, stored_header

EntryKind = Literal["predictions", "images", "copies", "records", "other"]
READERS = 16
"""Files read at once. Most of the time goes into waiting for a network or a disk."""
_KINDS: dict[tuple[str, str], EntryKind] = {
    ("runs", ".json"): "records",
    ("runs", ".npz"): "records",
    ("images", ".npy"): "images",
}
"""Kinds by folder and suffix."""
ABANDONED_SECONDS = 3600.0
"""Age of an unfinished file whose process must have died. A shard takes minutes."""
KEPT_SECONDS = 7 * 86400.0
"""Age up to which predictions and images are kept by default, and copies of data always."""


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
    kind: EntryKind
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

    def of(self, *kinds: EntryKind) -> list[InventoryFile]:
        """Return the files of some kinds."""
        return [each for each in self.files if each.kind in kinds]

    def size(self, *kinds: EntryKind) -> int:
        """Return the size of the files of some kinds in bytes, by default of all."""
        return total_size(each.file for each in (self.of(*kinds) if kinds else self.files))


def kind_of(name: str) -> EntryKind:
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
        model = one_line(header.metadata["model"])
        view = one_line(header.metadata["view"])
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


@dataclass(frozen=True, slots=True)
class PruneConditions:
    """Conditions on the predictions and images to remove; all of them must hold.

    Attributes:
        before: Unix time; what changed since then is kept. None for `KEPT_SECONDS` ago.
        larger_than: size in bytes. The oldest files are removed until the store is no larger; None removes
            all.
        images: True to remove prepared images, and copies of data at URLs, too.
    """

    before: float | None = None
    larger_than: int | None = None
    images: bool = False


@dataclass(frozen=True, slots=True)
class Removal:
    """Files that are removed together.

    Attributes:
        kind: `predictions`, `images`, `copies` (of data at a URL) or `leftovers`.
        model: name of the model, empty for other kinds.
        files: the files.
    """

    kind: str
    model: str
    files: tuple[StoredFile, ...]

    @property
    def size(self) -> int:
        """Size in bytes."""
        return total_size(self.files)

    @property
    def modified(self) -> float:
        """Unix time of the last change."""
        return max(file.modified for file in self.files)


def removals(inventory: Inventory, conditions: PruneConditions, now: float) -> list[Removal]:
    """Return the files to remove, in that order.

    Leftovers of killed runs come first, then prepared images and copies of data, then predictions, each with
    the oldest first.

    Args:
        inventory: the contents of the store.
        conditions: select predictions and images.
        now: Unix time.
    """
    others = (each.file for each in inventory.of("other"))
    leftovers = [Removal("leftovers", "", (file,)) for file in others if _is_leftover(file, now)]
    before = now - KEPT_SECONDS if conditions.before is None else conditions.before
    excess = float("inf")
    if conditions.larger_than is not None:
        excess = inventory.size() - sum(each.size for each in leftovers) - conditions.larger_than
    made_again = _groups(inventory, "images", "copies")
    predictions = _groups(inventory, "predictions")
    if not conditions.images and conditions.larger_than is None:
        made_again = []
    if conditions.before is None and conditions.larger_than is None:
        predictions = []
    # Readers list the copies: without some of them, a running evaluation would measure fewer images.
    made_again = [each for each in made_again if each.kind != "copies" or each.modified < now - KEPT_SECONDS]
    made_again = least_recently_used(made_again, excess, before)
    predictions = least_recently_used(predictions, excess - sum(each.size for each in made_again), before)
    return [*leftovers, *made_again, *predictions]


def _is_leftover(file: StoredFile, now: float) -> bool:
    """Return True for an unfinished file, or progress, of a process that must have died."""
    path = PurePosixPath(file.name)
    is_unfinished = path.suffix == ".tmp" and path.name.startswith(".")
    return (is_unfinished or path.parts[0] == "progress") and now - file.modified > ABANDONED_SECONDS


def _groups(inventory: Inventory, *kinds: EntryKind) -> list[Removal]:
    """Return the files of some kinds, grouped by cache entry or URL, oldest first."""
    by_group = attrgetter("kind", "group")
    removals = []
    for (kind, _), group in groupby(sorted(inventory.of(*kinds), key=by_group), by_group):
        files = list(group)
        model = next((each.model for each in files if each.model), "")
        removals.append(Removal(kind, model, tuple(each.file for each in files)))
    return sorted(removals, key=attrgetter("modified", "kind", "model"))
