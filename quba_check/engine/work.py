"""The work of an engine: planned from its store, and reported after each pass."""

from __future__ import annotations

import time

from quba_check.core.view import PASSES, View
from quba_check.core.work import PlannedView, Progress, Step
from quba_check.engine.cache_keys import CacheKeys
from quba_check.engine.decisions import row_bytes
from quba_check.storage.store import Store


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
