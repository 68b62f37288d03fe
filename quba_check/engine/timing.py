"""Cost of predictions by kind of work, and the time left. No torch.

The kind of a view names the origin of its images and the attack: `read` (files), `read+fgsm`, `read+pgd`, or
the corruption that generates them, such as `fog`. Each kind costs seconds of waiting per image and seconds
of computing per pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import add
from statistics import fmean
from typing import Literal, NamedTuple

READ = "read"
"""Kind of views whose images are read from files."""
PGD = "+pgd"
"""End of the kinds whose passes are known at most."""
HALF_LIFE = 60.0
"""Seconds of work of a kind after which its earlier cost counts half."""
STEADY_SECONDS = 2.0
"""Seconds of work below which a measured cost says little."""
STEADY_PASSES = 64.0
"""Passes of a kind at which its cost counts as much as that of an earlier run."""
GUESSED_SHARE = 0.3
"""Largest share of guessed time in an estimate."""


class Work(NamedTuple):
    """Work that is left.

    Attributes:
        kind: its kind.
        images: images to finish.
        passes: forward and backward passes, counted in images.
    """

    kind: str
    images: float
    passes: float


class Timing(NamedTuple):
    """Finished work of one kind, with the time that it took.

    Attributes:
        images: finished images.
        passes: forward and backward passes, counted in images.
        waiting: seconds of waiting for images.
        computing: all other seconds.
    """

    images: float = 0.0
    passes: float = 0.0
    waiting: float = 0.0
    computing: float = 0.0

    @property
    def seconds(self) -> float:
        """Seconds in total."""
        return self.waiting + self.computing

    def plus(self, other: Timing) -> Timing:
        """Return the sum of both."""
        return Timing(*map(add, self, other))

    def times(self, factor: float) -> Timing:
        """Return a part or a multiple."""
        return Timing(*(factor * value for value in self))


Timings = Mapping[str, Timing]
"""Timings by kind of work."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The time that work takes.

    Attributes:
        seconds: the estimate.
        bound: `at least` if much of the time is that of corruptions whose generation was never timed,
            `at most` if much of it is that of PGD before an image left it, else `about`.
    """

    seconds: float
    bound: Literal["at least", "about", "at most"] = "about"


@dataclass(frozen=True, slots=True)
class _Cost:
    """Seconds of waiting for an image, and of computing for a pass."""

    waiting: float
    computing: float

    def seconds(self, images: float, passes: float) -> float:
        return self.waiting * images + self.computing * passes


class Stopwatch:
    """Measures the cost of each kind of work; recent work counts most."""

    def __init__(self) -> None:
        self._done: dict[str, Timing] = {}
        self._recent: dict[str, Timing] = {}
        self._first: dict[str, Timing] = {}

    def add(self, kind: str, step: Timing) -> None:
        """Add the time of a batch."""
        recent = self._recent.get(kind, Timing())
        if kind not in self._done:
            self._first[kind] = step
        elif step.passes and (first := self._first.pop(kind, None)) and first == recent:
            # The first batch is slow: memory is allocated, and kernels are chosen.
            usual = first.passes * step.computing / step.passes
            recent = first._replace(computing=min(first.computing, usual))
        self._done[kind] = self._done.get(kind, Timing()).plus(step)
        self._recent[kind] = recent.times(0.5 ** (step.seconds / HALF_LIFE)).plus(step)

    @property
    def timings(self) -> dict[str, Timing]:
        """All images and passes by kind, with their time at the recent cost."""
        return {kind: self._timing(kind) for kind in self._done}

    def _timing(self, kind: str) -> Timing:
        done, recent = self._done[kind], self._recent[kind]
        if not recent.passes:
            return done
        return done._replace(
            waiting=recent.waiting * done.images / max(recent.images, 1.0),
            computing=recent.computing * done.passes / recent.passes,
        )


def merge_timings(several: Iterable[Timings]) -> dict[str, Timing]:
    """Return the sums by kind of the timings of several processes."""
    merged: dict[str, Timing] = {}
    for timings in several:
        for kind, timing in timings.items():
            merged[kind] = merged.get(kind, Timing()).plus(timing)
    return merged


def time_left(works: Iterable[Work], measured: Timings, earlier: Timings | None = None) -> Estimate | None:
    """Estimate the time of work in one process.

    A kind without a timing takes the costs of similar kinds.

    Args:
        works: the work.
        measured: timings of this run.
        earlier: timings of an earlier run, if any. They are scaled to the speed of this run.

    Returns:
        None if too little was timed, or if the estimate could be wrong in both directions.
    """
    earlier = {kind: timing for kind, timing in (earlier or {}).items() if timing.passes}
    measured = {kind: timing for kind, timing in measured.items() if timing.passes}
    if not earlier and sum(timing.seconds for timing in measured.values()) < STEADY_SECONDS:
        return None
    costs = _costs(measured, earlier)
    total = too_low = too_high = 0.0
    for kind, images, passes in works:
        seconds = (costs.get(kind) or _similar_cost(kind, costs)).seconds(images, passes)
        total += seconds
        if kind.endswith(PGD):
            too_high += seconds * (not _finished_images(kind, measured, earlier))
        elif kind not in costs and not _is_read(kind):
            too_low += seconds
    is_least, is_most = too_low > GUESSED_SHARE * total, too_high > GUESSED_SHARE * total
    if is_least and is_most:
        return None
    return Estimate(total, "at least" if is_least else "at most" if is_most else "about")


def passes_per_image(timing: Timing, most: float, earlier: Timing | None = None) -> float:
    """Return the mean passes that an image of an attack needs, at most `most`.

    Before images are finished it is that of an earlier run, else `most`.
    """
    prior, weight = most, 8.0
    if earlier is not None and earlier.images:
        prior, weight = earlier.passes / earlier.images, STEADY_PASSES
    return min(most, (weight * prior + timing.passes) / (weight + timing.images))


def _finished_images(kind: str, *several: Timings) -> float:
    return sum(timings[kind].images for timings in several if kind in timings)


def _costs(measured: Timings, earlier: Timings) -> dict[str, _Cost]:
    """Return the cost of each kind timed in this run or an earlier one."""
    before = {kind: _cost(timing) for kind, timing in earlier.items()}
    both = [kind for kind in measured if kind in before]
    took = sum(measured[kind].seconds for kind in both)
    expected = sum(before[kind].seconds(measured[kind].images, measured[kind].passes) for kind in both)
    slower = (took + STEADY_SECONDS) / (expected + STEADY_SECONDS)
    costs = {kind: _Cost(slower * cost.waiting, slower * cost.computing) for kind, cost in before.items()}
    for kind, timing in measured.items():
        now, old = _cost(timing), costs.get(kind)
        if old is not None:
            share = timing.passes / (timing.passes + STEADY_PASSES)
            now = _Cost(
                share * now.waiting + (1 - share) * old.waiting,
                share * now.computing + (1 - share) * old.computing,
            )
        costs[kind] = now
    return costs


def _cost(timing: Timing) -> _Cost:
    return _Cost(timing.waiting / max(timing.images, 1.0), timing.computing / timing.passes)


def _similar_cost(kind: str, costs: Mapping[str, _Cost]) -> _Cost:
    """Return the mean cost of kinds with such images and such an attack.

    If there are none, it is that of all kinds.
    """
    same_images = [cost for other, cost in costs.items() if _is_read(other) == _is_read(kind)]
    same_passes = [cost for other, cost in costs.items() if ("+" in other) == ("+" in kind)]
    everything = list(costs.values())
    return _Cost(
        fmean(cost.waiting for cost in same_images or everything),
        fmean(cost.computing for cost in same_passes or everything),
    )


def _is_read(kind: str) -> bool:
    return kind.partition("+")[0] == READ
