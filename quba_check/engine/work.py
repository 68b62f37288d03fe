"""The work of a run, planned before it starts and reported as it is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from quba_check.core.view import PASSES, View
from quba_check.engine.cache_keys import CacheKeys
from quba_check.engine.decisions import row_bytes
from quba_check.storage.store import Store


@dataclass(frozen=True, slots=True)
class PlannedView:
    """The work on one stored view.

    Attributes:
        view: the view.
        cache_entry: hash of model, view and settings; the same for protocols that share the view.
        is_generated: True if the images are corrupted on the fly.
        images: images of the view.
        missing: images of shards that the store does not have.
        forward: forward passes to make, counted in images; of PGD at most.
        backward: backward passes to make, likewise.
        bytes: size of the predictions to store, without file headers.
    """

    view: View
    cache_entry: str
    is_generated: bool
    images: int
    missing: int
    forward: int
    backward: int
    bytes: int


def planned_view(view: View, cache_keys: CacheKeys, store: Store) -> PlannedView:
    """Return the work on a stored view.

    Digests of its files are read only if the store has predictions of it.

    Args:
        view: a stored view.
        cache_keys: keys of the shards.
        store: the store.

    Raises:
        SuiteError: the files of the set have the wrong layout or cannot be read.
    """
    suite = cache_keys.suite
    entry = cache_keys.cache_entry(view)
    missing = images = suite.counts([view])[view.set].images
    if store.has_entry(entry):
        missing = sum(len(key.indices) for key in store.missing(cache_keys.shard_keys(view)))
    forward, backward = PASSES[view.attack]
    return PlannedView(
        view,
        entry,
        view.attack is None and suite.is_generated(view),
        images,
        missing,
        forward * missing,
        backward * missing,
        missing * row_bytes(cache_keys.columns(view), len(suite.classes)),
    )


@dataclass(frozen=True, slots=True)
class Step:
    """The work since the previous step of an engine.

    Attributes:
        view: name of the view.
        images: images finished.
        passes: forward and backward passes, counted in images.
        planned: passes that the plan of a run counts for the finished images.
        seconds: the time that they took.
    """

    view: str
    images: int
    passes: int
    planned: int
    seconds: float


Progress = Callable[[Step], None]
"""Called after every pass of a batch."""


class Reporter:
    """Calls back while an engine predicts shards.

    Args:
        progress: called after every pass of a batch.
    """

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self.restart()

    def restart(self) -> None:
        """Count time from now on; until now it was spent on something else."""
        self._last = time.perf_counter()

    def add(self, view: View, images: int, passes: int) -> None:
        """Report a pass of a batch.

        Args:
            view: the view.
            images: images that it finishes.
            passes: forward and backward passes, counted in images.
        """
        now = time.perf_counter()
        seconds = now - self._last
        self._last = now
        if self._progress is not None:
            planned = images * sum(PASSES[view.attack])
            self._progress(Step(str(view), images, passes, planned, seconds))
