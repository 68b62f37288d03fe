"""Files of a store that can be removed, by age, size and model."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import PurePosixPath

from filelock import FileLock, Timeout

from quba_check.storage.active_runs import ActiveRun
from quba_check.storage.inventory import Inventory, PredictionFile, kind_of, total_size
from quba_check.storage.store_files import StoredFile, StoreFiles

REMOVERS = 16
"""Files removed at once. Most of the time goes into waiting for a network or a disk."""
ABANDONED_SECONDS = 3600.0
"""Age of an unfinished file whose process must have died. A shard takes minutes."""
FREE_LOCK_SECONDS = 86400.0
"""Age of a lock file that is removed if no process holds it."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Conditions on the predictions, records and images to remove; all of them must hold.

    Attributes:
        models: names of the models; empty for all.
        before: Unix time of the last change at the latest; None for any.
        larger_than: size in bytes. The oldest files are removed until the store is no larger; None removes
            all.
        images: True to remove prepared images too.
        records: True to remove records too.
    """

    models: Collection[str] = ()
    before: float | None = None
    larger_than: int | None = None
    images: bool = False
    records: bool = False

    @property
    def is_empty(self) -> bool:
        """True without any condition: then only leftovers are removed."""
        return not (self.models or self.images or self.records) and self.before is self.larger_than is None

    def covers(self, files: Iterable[StoredFile]) -> bool:
        """Return True if the last change of files is old enough."""
        return self.before is None or max(file.modified for file in files) <= self.before


@dataclass(frozen=True, slots=True)
class Removal:
    """Files that are removed together.

    Attributes:
        kind: `predictions`, `records`, `images` or `leftovers`.
        model: name of the model, empty for images and leftovers.
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


def removals(
    inventory: Inventory, conditions: Conditions, running: Sequence[ActiveRun], now: float
) -> list[Removal]:
    """Return the files to remove, in that order.

    Leftovers of killed runs come first, then prepared images, then predictions and records, the oldest first.

    Args:
        inventory: the contents of the store.
        conditions: select predictions, images and records.
        running: evaluations that run. Predictions of their models, and prepared images that were used since
            they started, are kept.
        now: Unix time.
    """
    leftovers = [Removal("leftovers", "", (file,)) for file in _leftovers(inventory.others, now)]
    if conditions.is_empty:
        return leftovers
    size = inventory.size - sum(each.size for each in leftovers)
    selected = []
    for each in [*_images(inventory, conditions, running), *_of_models(inventory, conditions, running)]:
        if conditions.larger_than is None or size > conditions.larger_than:
            selected.append(each)
            size -= each.size
    return [*leftovers, *selected]


def _leftovers(files: Iterable[StoredFile], now: float) -> Iterator[StoredFile]:
    """Yield unfinished files and progress of processes that must have died."""
    for file in files:
        path = PurePosixPath(file.name)
        is_unfinished = path.suffix == ".tmp" and path.name.startswith(".")
        if (is_unfinished or path.parts[0] == "progress") and now - file.modified > ABANDONED_SECONDS:
            yield file


def _images(inventory: Inventory, conditions: Conditions, running: Sequence[ActiveRun]) -> Iterator[Removal]:
    """Yield prepared images, each file alone; they belong to no model."""
    is_wanted = conditions.images or (conditions.larger_than is not None and not conditions.models)
    used_since = min((run.started for run in running), default=float("inf"))
    for file in sorted(inventory.images, key=attrgetter("modified", "name")):
        if is_wanted and conditions.covers([file]) and file.modified < used_since:
            yield Removal("images", "", (file,))


def _of_models(inventory: Inventory, conditions: Conditions, running: Sequence[ActiveRun]) -> list[Removal]:
    """Return the predictions of each cache entry and the records of models, oldest first."""
    busy = {model for run in running for model in run.models}
    candidates: list[Removal] = []
    if conditions.models or conditions.before is not None or conditions.larger_than is not None:
        entry_of = attrgetter("entry")
        for _, group in groupby(sorted(inventory.predictions, key=entry_of), entry_of):
            candidates.append(_of_entry(list(group)))
    if conditions.records:
        candidates += [Removal("records", each.model or "", (each.file,)) for each in inventory.records]
    return sorted(
        (
            each
            for each in candidates
            if each.model not in busy
            and (not conditions.models or each.model in conditions.models)
            and conditions.covers(each.files)
        ),
        key=attrgetter("modified", "kind", "model"),
    )


def _of_entry(files: list[PredictionFile]) -> Removal:
    """Return the predictions of a cache entry: one view of one model."""
    model = next((each.model for each in files if each.model is not None), "")
    return Removal("predictions", model, tuple(each.file for each in files))


def remove_files(store: StoreFiles, files: Iterable[StoredFile]) -> None:
    """Remove files of a store, several at once.

    Empty folders stay, since another process may be about to write into them.

    Raises:
        StoreError: one cannot be removed.
    """
    with ThreadPoolExecutor(REMOVERS) as pool:
        for _ in pool.map(store.withdraw, [file.name for file in files]):
            pass


def remove_free_locks(store: StoreFiles, inventory: Inventory, now: float) -> int:
    """Remove old lock files that no process holds; return their number."""
    count = 0
    for file in inventory.others:
        if kind_of(file.name) != "locks" or now - file.modified < FREE_LOCK_SECONDS:
            continue
        path = store.local_file(file.name)
        with suppress(OSError, NotImplementedError, Timeout), FileLock(path, timeout=0):
            path.unlink(missing_ok=True)
            count += 1
    return count
