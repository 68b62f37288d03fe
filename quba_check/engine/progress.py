"""Callbacks for progress, after every pass of a batch and every finished set."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from quba_check.core.view import View
from quba_check.engine.cache_keys import CacheKeys
from quba_check.storage.store import Store

Progress = Callable[[str, int, int, float, Callable[[], int]], None]
"""Called when a shard begins, after every pass of a batch, and when the shard is stored.

Arguments: the view (`clean and clean+fgsm` for a pass that serves both); finished images, passes (forward and
backward, counted in images) and seconds, each since the previous call; a function that returns the number of
passes left.
"""

Finished = Callable[[str, int], None]
"""Called when the last shard of a set is stored, with the set's name and its number of images."""

PASSES = {None: 1, "fgsm": 3, "pgd": 21}
"""Forward and backward passes of an image, by attack."""


class Reporter:
    """Calls back while an engine predicts shards.

    Args:
        cache_keys: keys of the shards of each view.
        store: the store of the shards.
        progress: called after every pass of a batch.
        finished: called for every complete set.

    Attributes:
        planned: the stored views that the run needs.
    """

    def __init__(
        self, cache_keys: CacheKeys, store: Store, progress: Progress | None, finished: Finished | None
    ) -> None:
        self.planned: Sequence[View] = ()
        self._cache_keys = cache_keys
        self._store = store
        self._progress = progress
        self._finished = finished
        self._complete: set[View] = set()
        self._name = ""
        self._passes = 0
        self._clock = time.perf_counter()

    def add(self, views: Iterable[View], images: int, passes: int) -> None:
        """Report the work done on views since the last call."""
        self._name = " and ".join(map(str, views))
        self._passes += passes
        self._call(images, passes)

    def end(self, views: Iterable[View]) -> None:
        """Report a stored shard of these views, and every set that it completes."""
        self._passes = 0
        self._call(0, 0)
        if self._finished is None:
            return
        for name in dict.fromkeys(map(_set_name, views)):
            members = [view for view in self.planned if _set_name(view) == name]
            if all(self._is_listed(view) and not self._missing(view) for view in members):
                self._finished(name, sum(map(self._size, members)))

    def _call(self, images: int, passes: int) -> None:
        if self._progress is not None:
            before, self._clock = self._clock, time.perf_counter()
            self._progress(self._name, images, passes, self._clock - before, self._passes_left)

    def _passes_left(self) -> int:
        """Return the passes left in the plan.

        Views not listed yet count as large as the largest listed one.
        """
        listed = [view for view in self.planned if self._is_listed(view)]
        largest = max(map(self._size, listed), default=0)
        missing = {view: self._missing(view) for view in listed}
        total = sum(PASSES[view.attack] * missing.get(view, largest) for view in self.planned)
        return max(0, total - self._passes)

    def _is_listed(self, view: View) -> bool:
        """Return True if the files of a view, or of its unattacked images, were listed."""
        return self._cache_keys.has_listed(view) or self._cache_keys.has_listed(view.images)

    def _size(self, view: View) -> int:
        """Return the number of images of a view."""
        return sum(len(key.indices) for key in self._cache_keys.shard_keys(view))

    def _missing(self, view: View) -> int:
        """Return the number of images of a view in shards still missing."""
        if view in self._complete:
            return 0
        images = sum(len(key.indices) for key in self._store.missing(self._cache_keys.shard_keys(view)))
        if not images:
            self._complete.add(view)
        return images


def _set_name(view: View) -> str:
    """Return the name of a view's set and attack: `corruptions` for all 75 corrupted views."""
    return str(View(view.set, attack=view.attack))
