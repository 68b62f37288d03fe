"""Estimates of the time left: simulated runs on a clock of their own, and single rules."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from quba_check.core.view import CORRUPTIONS
from quba_check.engine.timing import (
    Estimate,
    Stopwatch,
    Timing,
    Timings,
    Work,
    passes_per_image,
    time_left,
)

BATCH = 64
PGD_PASSES = 21


@dataclass
class Simulation:
    """A run of clean set and FGSM, PGD, and generated corruptions, with noise of 10 % on every batch.

    Attributes:
        images: images of the clean set.
        needed: mean passes that PGD needs for an image.
        forward: seconds of a pass of an image.
        corrupting: seconds of waiting for a generated image, by corruption.
    """

    images: int = 2_000
    needed: float = 8.0
    forward: float = 0.004
    corrupting: dict[str, float] = field(
        default_factory=lambda: {name: 0.002 + 0.001 * number for number, name in enumerate(CORRUPTIONS)}
    )

    def batches(self) -> Iterator[tuple[str, int, float, float]]:
        """Yield kind, images, passes, and seconds of waiting of each batch, in the engine's order."""
        yield from (("read+fgsm", BATCH, 3.0 * BATCH, 0.001 * BATCH) for _ in range(self.images // BATCH))
        yield from (
            ("read+pgd", BATCH, self.needed * BATCH, 0.001 * BATCH) for _ in range(self.images // BATCH)
        )
        for _ in range(self.images // BATCH):
            for name, seconds in self.corrupting.items():
                yield name, 5 * BATCH, 5.0 * BATCH, seconds * 5 * BATCH

    def estimates(self, earlier: Timings | None = None) -> list[tuple[float, float, Estimate | None]]:
        """Return after each batch the share of the time that is over, the time left, and its estimate."""
        noise = np.random.default_rng(0)
        steps = [
            (
                kind,
                images,
                passes,
                noise.uniform(0.9, 1.1) * waiting,
                noise.uniform(0.9, 1.1) * self.forward * passes,
            )
            for kind, images, passes, waiting in self.batches()
        ]
        total = sum(step[3] + step[4] for step in steps)
        left: dict[str, float] = {}
        for kind, images, *_ in steps:
            left[kind] = left.get(kind, 0) + images
        watch, now, rows = Stopwatch(), 0.0, []
        for kind, images, passes, waiting, computing in steps:
            watch.add(kind, Timing(images, passes, waiting, computing))
            now += waiting + computing
            left[kind] -= images
            works = [self.work(kind, images, watch.timings, earlier or {}) for kind, images in left.items()]
            rows.append((now / total, total - now, time_left(works, watch.timings, earlier)))
        return rows

    def work(self, kind: str, images: float, timings: Timings, earlier: Timings) -> Work:
        per_image = {"read+fgsm": 3.0, "read+pgd": PGD_PASSES}.get(kind, 1.0)
        if kind == "read+pgd":
            per_image = passes_per_image(timings.get(kind, Timing()), PGD_PASSES, earlier.get(kind))
        return Work(kind, images, per_image * images)

    def timings(self, slower: float) -> dict[str, Timing]:
        """Return the timings of an earlier run on a machine that many times slower."""
        watch = Stopwatch()
        for kind, images, passes, waiting in self.batches():
            watch.add(kind, Timing(images, passes, slower * waiting, slower * self.forward * passes))
        return watch.timings


def at(rows: list[tuple[float, float, Estimate | None]], share: float) -> tuple[float, Estimate | None]:
    """Return true time left and estimate at a share of the run's time."""
    return next(row[1:] for row in rows if row[0] >= share)


@pytest.mark.parametrize("needed", [3.0, 8.0, 21.0])
@pytest.mark.parametrize("images", [700, 2_000])
def test_a_first_run_is_estimated_within_30_percent_after_a_quarter(images: int, needed: float) -> None:
    rows = Simulation(images=images, needed=needed).estimates()
    for share in (0.25, 0.5, 0.75):
        true, estimate = at(rows, share)
        assert estimate is not None
        assert estimate.bound == "about"
        assert estimate.seconds == pytest.approx(true, rel=0.3)


@pytest.mark.parametrize("slower", [0.5, 1.0, 3.0])
def test_a_later_run_is_estimated_within_30_percent_from_the_start(slower: float) -> None:
    run = Simulation()
    rows = run.estimates(run.timings(slower))
    for share in (0.03, 0.1, 0.25, 0.5, 0.75):
        true, estimate = at(rows, share)
        assert estimate is not None
        assert estimate.bound == "about"
        assert estimate.seconds == pytest.approx(true, rel=0.3)


def test_an_estimate_is_a_bound_until_every_kind_of_work_was_timed() -> None:
    rows = Simulation().estimates()
    first = next(number for number, row in enumerate(rows) if row[2] is not None and row[2].bound == "about")
    assert rows[first][0] < 0.25
    for _, true, estimate in rows[:first]:
        if estimate is not None:
            assert estimate.bound == "at least"
            assert estimate.seconds < 1.1 * true


def test_an_estimate_falls_without_wild_jumps() -> None:
    rows = [row for row in Simulation().estimates() if row[0] >= 0.25]
    estimates = [row[2].seconds for row in rows if row[2] is not None]
    assert len(estimates) == len(rows)
    for earlier, later in itertools.pairwise(estimates):
        assert later <= 1.1 * earlier
    tenths = estimates[:: len(estimates) // 10]
    assert tenths == sorted(tenths, reverse=True)


def test_a_run_without_corruptions_is_estimated_at_most_until_images_leave_pgd() -> None:
    rows = Simulation(corrupting={}, needed=4.0).estimates()
    bounds = [estimate.bound for _, _, estimate in rows if estimate is not None]
    assert bounds == sorted(bounds, key=["at most", "about"].index)
    assert {"at most", "about"} == set(bounds)
    true, estimate = at(rows, 0.5)
    assert estimate is not None
    assert estimate.seconds == pytest.approx(true, rel=0.3)


def test_a_first_slow_batch_does_not_count_once_there_is_another() -> None:
    watch = Stopwatch()
    watch.add("read", Timing(64, 64, 0.5, 10.0))
    assert watch.timings["read"] == Timing(64, 64, 0.5, 10.0)
    watch.add("read", Timing(64, 64, 0.5, 1.0))
    timing = watch.timings["read"]
    assert timing == pytest.approx(Timing(128, 128, 1.0, 2.0))


def test_a_machine_that_slows_down_is_noticed() -> None:
    watch = Stopwatch()
    for _ in range(100):
        watch.add("read", Timing(64, 64, 0.0, 1.0))
    for _ in range(100):
        watch.add("read", Timing(64, 64, 0.0, 3.0))
    estimate = time_left([Work("read", 640, 640)], watch.timings)
    assert estimate is not None
    assert estimate.seconds == pytest.approx(30.0, rel=0.1)


def test_unknown_kinds_take_the_cost_of_similar_ones() -> None:
    measured = {"read": Timing(100, 100, 1.0, 4.0), "fog": Timing(100, 100, 9.0, 4.0)}
    assert time_left([Work("snow", 10, 10)], measured) == Estimate(pytest.approx(1.3), "at least")
    assert time_left([Work("read+pgd", 10, 210)], measured) == Estimate(pytest.approx(8.5), "at most")
    assert time_left([Work("snow", 10, 10), Work("read+pgd", 10, 30)], measured) is None


def test_too_little_work_gives_no_estimate() -> None:
    assert time_left([Work("read", 10, 10)], {"read": Timing(10, 10, 0.0, 1.0)}) is None
    assert time_left([Work("read", 10, 10)], {}) is None
    assert time_left([Work("read", 10, 10)], {}, {"read": Timing(10, 10, 0.0, 1.0)}) == Estimate(1.0)


def test_passes_of_an_image_start_at_the_most_and_follow_what_was_needed() -> None:
    assert passes_per_image(Timing(), 21) == 21
    assert passes_per_image(Timing(0, 640), 21) == 21
    assert passes_per_image(Timing(64, 64 * 21), 21) == 21
    assert passes_per_image(Timing(10_000, 50_000), 21) == pytest.approx(5.0, rel=0.01)
    assert passes_per_image(Timing(), 21, Timing(100, 600)) == 6
