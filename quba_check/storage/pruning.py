"""Files of a store that can be removed, by age, size and model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import PurePosixPath

from quba_check.storage.active_runs import ActiveRun
from quba_check.storage.inventory import Inventory, InventoryFile, Kind, total_size
from quba_check.storage.objects import StoredFile, least_recently_used

ABANDONED_SECONDS = 3600.0
"""Age of an unfinished file whose process must have died. A shard takes minutes."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Conditions on the predictions and images to remove; all of them must hold.

    Attributes:
        before: Unix time of the last change at the latest; None for any.
        larger_than: size in bytes. The oldest files are removed until the store is no larger; None removes
            all.
        images: True to remove prepared images, and copies of data at URLs, too.
    """

    before: float | None = None
    larger_than: int | None = None
    images: bool = False

    @property
    def is_empty(self) -> bool:
        """True without any condition: then only leftovers are removed."""
        return not self.images and self.before is self.larger_than is None


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


def removals(
    inventory: Inventory, conditions: Conditions, running: Sequence[ActiveRun], now: float
) -> list[Removal]:
    """Return the files to remove, in that order.

    Leftovers of killed runs come first, then prepared images and copies of data, then predictions, each with
    the oldest first.

    Args:
        inventory: the contents of the store.
        conditions: select predictions and images.
        running: evaluations that run. Predictions of their models, and images that were used since they
            started, are kept.
        now: Unix time.
    """
    others = (each.file for each in inventory.of("other"))
    leftovers = [Removal("leftovers", "", (file,)) for file in others if _is_leftover(file, now)]
    excess = before = float("inf")
    if conditions.before is not None:
        before = conditions.before
    if conditions.larger_than is not None:
        excess = inventory.size() - sum(each.size for each in leftovers) - conditions.larger_than
    used_since = min((run.started for run in running), default=float("inf"))
    made_again = []
    if conditions.images or conditions.larger_than is not None:
        images = _groups(inventory, "images", "copies")
        unused = [each for each in images if each.modified < used_since and each.modified <= before]
        made_again = least_recently_used(unused, excess)
        excess -= sum(each.size for each in made_again)
    busy = {model for run in running for model in run.models}
    predictions = []
    if conditions.before is not None or conditions.larger_than is not None:
        groups = _groups(inventory, "predictions")
        unused = [each for each in groups if each.model not in busy and each.modified <= before]
        predictions = least_recently_used(unused, excess)
    return [*leftovers, *made_again, *predictions]


def _is_leftover(file: StoredFile, now: float) -> bool:
    """Return True for an unfinished file, or progress, of a process that must have died."""
    path = PurePosixPath(file.name)
    is_unfinished = path.suffix == ".tmp" and path.name.startswith(".")
    return (is_unfinished or path.parts[0] == "progress") and now - file.modified > ABANDONED_SECONDS


def _groups(inventory: Inventory, *kinds: Kind) -> list[Removal]:
    """Return the files of some kinds, grouped by cache entry or URL, oldest first."""
    groups: dict[tuple[Kind, str], list[InventoryFile]] = {}
    for each in inventory.of(*kinds):
        groups.setdefault((each.kind, each.group), []).append(each)
    removals = []
    for (kind, _), files in groups.items():
        model = next((each.model for each in files if each.model), "")
        removals.append(Removal(kind, model, tuple(each.file for each in files)))
    return sorted(removals, key=attrgetter("modified", "kind", "model"))
