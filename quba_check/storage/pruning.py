"""Files of a store that can be removed, by age, size and model."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import PurePosixPath

from filelock import FileLock, Timeout

from quba_check.storage.active_runs import ActiveRun
from quba_check.storage.eviction import least_recently_used
from quba_check.storage.inventory import Inventory, PredictionFile, kind_of, total_size
from quba_check.storage.objects import StoredFile
from quba_check.storage.store import Store

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
        images: True to remove prepared images, and copies of data at URLs, too.
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
        kind: `predictions`, `records`, `images`, `copies` (of data at a URL) or `leftovers`.
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


def removals(
    inventory: Inventory, conditions: Conditions, running: Sequence[ActiveRun], now: float
) -> list[Removal]:
    """Return the files to remove, in that order.

    Leftovers of killed runs come first, then prepared images and copies of data, then predictions and
    records, each with the oldest first.

    Args:
        inventory: the contents of the store.
        conditions: select predictions, images and records.
        running: evaluations that run. Predictions of their models, and images that were used since they
            started, are kept.
        now: Unix time.
    """
    leftovers = [Removal("leftovers", "", (file,)) for file in _leftovers(inventory.others, now)]
    if conditions.is_empty:
        return leftovers
    excess = float("inf")
    if conditions.larger_than is not None:
        excess = inventory.size - sum(each.size for each in leftovers) - conditions.larger_than
    made_again = least_recently_used(_images(inventory, conditions, running), excess)
    excess -= sum(each.size for each in made_again)
    of_models = least_recently_used(_of_models(inventory, conditions, running), excess)
    return [*leftovers, *made_again, *of_models]


def _leftovers(files: Iterable[StoredFile], now: float) -> Iterator[StoredFile]:
    """Yield unfinished files and progress of processes that must have died."""
    for file in files:
        path = PurePosixPath(file.name)
        is_unfinished = path.suffix == ".tmp" and path.name.startswith(".")
        if (is_unfinished or path.parts[0] == "progress") and now - file.modified > ABANDONED_SECONDS:
            yield file


def _images(inventory: Inventory, conditions: Conditions, running: Sequence[ActiveRun]) -> Iterator[Removal]:
    """Yield prepared images and copies of URLs, which belong to no model."""
    if not conditions.images and (conditions.larger_than is None or conditions.models):
        return
    used_since = min((run.started for run in running), default=float("inf"))
    url_of = lambda file: file.name.split("/")[1]  # noqa: E731
    copies = groupby(sorted(inventory.copies, key=url_of), url_of)
    groups = [
        *(Removal("images", "", (file,)) for file in sorted(inventory.images, key=attrgetter("name"))),
        *(Removal("copies", "", tuple(files)) for _, files in copies),
    ]
    yield from (each for each in groups if each.modified < used_since and conditions.covers(each.files))


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


def remove_free_locks(store: Store, inventory: Inventory, now: float) -> int:
    """Remove old lock files that no process holds; return their number."""
    count = 0
    for file in inventory.others:
        if kind_of(file.name) != "locks" or now - file.modified < FREE_LOCK_SECONDS:
            continue
        path = store.local.path(file.name)
        with suppress(OSError, NotImplementedError, Timeout), FileLock(path, timeout=0):
            path.unlink(missing_ok=True)
            count += 1
    return count
