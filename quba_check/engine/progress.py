"""Callbacks for progress, after every pass of a batch and every finished set."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from quba_check.core.view import View
from quba_check.engine.cache_keys import CacheKeys
from quba_check.engine.plan import passes_per_image
from quba_check.storage.store import Store


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

Finished = Callable[[str, int], None]
"""Called when the last shard of a set is stored, with the set's name and its number of images."""


class Reporter:
    """Calls back while an engine predicts shards.

    Args:
        cache_keys: keys of the shards of each view.
        store: the store of the shards.
        progress: called after every pass of a batch.
        finished: called for every complete set.
        clock: seconds of a monotonic clock.
    """

    def __init__(
        self,
        cache_keys: CacheKeys,
        store: Store,
        progress: Progress | None = None,
        finished: Finished | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._planned: Sequence[View] = ()
        self._cache_keys = cache_keys
        self._store = store
        self._progress = progress
        self._finished = finished
        self._clock = clock
        self._last = clock()

    def plan(self, views: Sequence[View]) -> None:
        """Set the stored views that the run needs.

        The time until now was spent on something else.
        """
        self._planned = tuple(views)
        self._last = self._clock()

    def add(self, view: View, images: int, passes: int) -> None:
        """Report a pass of a batch.

        Args:
            view: the view.
            images: images that it finishes.
            passes: forward and backward passes, counted in images.
        """
        now = self._clock()
        seconds, self._last = now - self._last, now
        if self._progress is not None:
            planned = images * passes_per_image(view)
            self._progress(Step(str(view), images, passes, planned, seconds))

    def end(self, view: View) -> None:
        """Report the set of a view if a stored shard completes it."""
        if self._finished is None:
            return
        name = _set_name(view)
        members = [view for view in self._planned if _set_name(view) == name]
        if all(map(self._is_complete, members)):
            keys = [key for view in members for key in self._cache_keys.shard_keys(view)]
            self._finished(name, sum(len(key.indices) for key in keys))

    def _is_complete(self, view: View) -> bool:
        """Return True if all shards of a view are stored.

        Files that were not listed yet are not read.
        """
        is_listed = self._cache_keys.has_listed(view) or self._cache_keys.has_listed(view.images)
        return is_listed and not self._store.missing(self._cache_keys.shard_keys(view))


def _set_name(view: View) -> str:
    """Return the name of a view's set and attack: `corruptions` for all 75 corrupted views."""
    return str(View(view.set, attack=view.attack))
