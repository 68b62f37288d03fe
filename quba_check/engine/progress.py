"""Callbacks for progress, after every pass of a batch and every finished set."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from quba_check.core.view import View
from quba_check.engine.cache_keys import CacheKeys
from quba_check.engine.plan import BACKWARD, FORWARD, kind_of, planned_view, shares_clean_pass
from quba_check.engine.speed import Speed, read_speed
from quba_check.engine.timing import Stopwatch, Timing, Timings, Work, passes_per_image
from quba_check.storage.store import SHARD_SIZE, Store
from quba_check.suites.suite import Suite


@dataclass(frozen=True, slots=True)
class Step:
    """The work since the previous step of an engine.

    Attributes:
        view: name of the view (`clean and clean+fgsm` for a pass that serves both).
        images: images finished; negative if an attempt failed and begins again.
        passes: forward and backward passes, counted in images.
        seconds: the time that they took.
        left: returns the work left by cache entry, for views whose files were listed.
        speed_key: name of the model's speed on this device, see `quba_check.engine.speed`.
        engine: name of the engine in this process.
        timings: timings of this engine by kind of work.
    """

    view: str
    images: int
    passes: int
    seconds: float
    left: Callable[[], Mapping[str, Work]]
    speed_key: str
    engine: str
    timings: Timings


Progress = Callable[[Step], None]
"""Called after every pass of a batch, and when a shard is stored."""

Finished = Callable[[str, int], None]
"""Called when the last shard of a set is stored, with the set's name and its number of images."""


@dataclass(slots=True)
class _Unstored:
    """Work on shards that are not stored yet."""

    images: float = 0.0
    passes: float = 0.0


class Reporter:
    """Calls back while an engine predicts shards, and times each kind of work.

    Args:
        cache_keys: keys of the shards of each view.
        store: the store of the shards.
        suite: the images.
        speed_key: name of the model's speed on this device.
        progress: called after every pass of a batch.
        finished: called for every complete set.
        clock: seconds of a monotonic clock.
    """

    def __init__(
        self,
        cache_keys: CacheKeys,
        store: Store,
        suite: Suite,
        speed_key: str,
        progress: Progress | None = None,
        finished: Finished | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._planned: Sequence[View] = ()
        self._cache_keys = cache_keys
        self._store = store
        self._suite = suite
        self._speed_key = speed_key
        self._progress = progress
        self._finished = finished
        self._clock = clock
        self._earlier = read_speed(store.root, speed_key) or Speed()
        self._stopwatch = Stopwatch()
        self._unstored: dict[tuple[View, ...], _Unstored] = {}
        self._complete: set[View] = set()
        self._shares_pass = False
        self._waiting = 0.0
        self._last = clock()

    @property
    def planned(self) -> Sequence[View]:
        """The stored views that the run needs."""
        return self._planned

    @planned.setter
    def planned(self, views: Sequence[View]) -> None:
        """Set the stored views; the time until now was spent on something else."""
        self._planned = tuple(views)
        self._shares_pass = shares_clean_pass(views, self._cache_keys)
        self._waiting, self._last = 0.0, self._clock()

    def waited(self, seconds: float) -> None:
        """Note time of waiting for images; the next `add` counts it."""
        self._waiting += seconds

    def add(self, views: Collection[View], images: int, passes: int) -> None:
        """Report a pass of a batch.

        Args:
            views: the views that the pass serves.
            images: images that it finishes; an image finished in two views counts twice.
            passes: forward and backward passes, counted in images.
        """
        unstored = self._unstored.setdefault(tuple(views), _Unstored())
        unstored.images += images
        unstored.passes += passes
        self._step(tuple(views), images, passes)

    def restart(self, views: Collection[View]) -> None:
        """Report an attempt that failed: its images are not finished."""
        dropped = self._unstored.pop(tuple(views), _Unstored())
        self._step(tuple(views), -round(dropped.images), 0)

    def end(self, views: Collection[View]) -> None:
        """Report a stored shard of these views, and every set that it completes."""
        self._remove_stored(tuple(views))
        self._step(tuple(views), 0, 0)
        if self._finished is None:
            return
        for name in dict.fromkeys(map(_set_name, views)):
            members = [view for view in self.planned if _set_name(view) == name]
            if all(self._is_listed(view) and not self._missing(view) for view in members):
                self._finished(name, sum(map(self._size, members)))

    def _remove_stored(self, views: tuple[View, ...]) -> None:
        """Remove the images of a stored shard from the work that is not stored yet."""
        for group, unstored in list(self._unstored.items()):
            if group != views:
                if not set(views).isdisjoint(group):
                    del self._unstored[group]
                continue
            left = max(0.0, unstored.images - SHARD_SIZE * len(views))
            unstored.passes *= left / unstored.images if unstored.images else 0.0
            unstored.images = left

    def _step(self, views: tuple[View, ...], images: int, passes: int) -> None:
        now = self._clock()
        seconds, self._last = now - self._last, now
        waiting, self._waiting = min(self._waiting, seconds), 0.0
        # A pass that serves clean set and FGSM is work for the attack, the last of both.
        kind = kind_of(views[-1], self._suite, shares_pass=False)
        self._stopwatch.add(kind, Timing(max(0, images), passes, waiting, seconds - waiting))
        if self._progress is not None:
            name = " and ".join(map(str, views))
            timings = self._stopwatch.timings
            self._progress(
                Step(name, images, passes, seconds, self._left, self._speed_key, str(id(self)), timings)
            )

    def _left(self) -> dict[str, Work]:
        """Return the work left by cache entry, for the views that are listed."""
        left = {view: self._missing_work(view) for view in self.planned if self._is_listed(view)}
        for group, unstored in self._unstored.items():
            members = {view: left[view] for view in group if view in left}
            finished = unstored.images / len(group)
            per_image = {view: work.passes / max(work.images, 1) for view, work in members.items()}
            # Passes of images that are not finished yet.
            partial = max(0.0, unstored.passes - finished * sum(per_image.values()))
            for view, (kind, images, _) in members.items():
                remaining = max(0.0, images - finished)
                share = per_image[view] / (sum(per_image.values()) or 1.0)
                passes = max(0.0, remaining * per_image[view] - share * partial)
                left[view] = Work(kind, remaining, passes)
        return {self._cache_keys.cache_entry(view): work for view, work in left.items()}

    def _missing_work(self, view: View) -> Work:
        """Return the work on shards that are not stored."""
        if view in self._complete:
            return Work(kind_of(view, self._suite, shares_pass=self._shares_pass), 0, 0)
        planned = planned_view(
            view, self._cache_keys, self._store, self._suite, shares_pass=self._shares_pass
        )
        if not planned.missing:
            self._complete.add(view)
        work = planned.work
        if view.attack != "pgd":
            return work
        timings, earlier = self._stopwatch.timings, self._earlier.timings
        measured = timings.get(work.kind, Timing())
        most = FORWARD["pgd"] + BACKWARD["pgd"]
        return work._replace(passes=work.images * passes_per_image(measured, most, earlier.get(work.kind)))

    def _is_listed(self, view: View) -> bool:
        """Return True if the files of a view, or of its unattacked images, were listed."""
        return self._cache_keys.has_listed(view) or self._cache_keys.has_listed(view.images)

    def _size(self, view: View) -> int:
        """Return the number of images of a view."""
        return sum(len(key.indices) for key in self._cache_keys.shard_keys(view))

    def _missing(self, view: View) -> int:
        """Return the number of images of a view in shards still missing."""
        return round(self._missing_work(view).images)


def _set_name(view: View) -> str:
    """Return the name of a view's set and attack: `corruptions` for all 75 corrupted views."""
    return str(View(view.set, attack=view.attack))
