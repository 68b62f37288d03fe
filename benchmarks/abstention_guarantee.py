"""Validity of the thresholds behind `answers: {at: {error: …}}`, and their cost.

Each cell draws sets of images from a model whose error at every confidence is known, and finds the threshold
on each set. It shows the share of sets whose threshold keeps the stated error on new images (at least 95 %
are promised; sets without a threshold count as kept), the mean share of images that the thresholds answer,
and the largest share that any threshold could answer.

Groups have uneven, lognormal or Pareto sizes, which say nothing about their errors.

python benchmarks/abstention_guarantee.py                  200 draws a cell (half a minute)
python benchmarks/abstention_guarantee.py --draws 2000     slower, more certain

The exit code is 1 if a cell keeps the error in significantly less than 95 % of the sets (binomial test, 1 %
over all cells).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray
from simulated import print_summary, read_options

from quba_check.metrics.selective import guaranteed_threshold

CONFIDENCE = 0.95
POINTS = 200_001
SIZES = (300, 1000, 5000)
ERRORS = (0.01, 0.05)
Numbers = NDArray[np.float64]
ERROR_AT: dict[str, Callable[[Numbers, float], Numbers]] = {
    "no threshold keeps it": lambda rank, error: np.full_like(rank, 1.001 * error),
    "none but the surest": lambda rank, error: error * (0.9 + 0.4 * rank),
    "rising slowly": lambda rank, error: 6 * error * rank,
    "rising late": lambda rank, error: 15 * error * rank**2,
    "with label errors": lambda rank, error: error * (0.4 + 9 * rank**2),
    "in two steps": lambda rank, error: np.where(rank < 0.5, 0.3 * error, 2 * error),
    "wrong when surest": lambda rank, error: error * np.where(rank < 0.03, 4.0, 0.2 + 3 * rank**2),
    "in waves": lambda rank, error: error * (1 + 0.9 * np.sin(40 * rank)),
    "good everywhere": lambda rank, error: np.full_like(rank, 0.1 * error),
}
"""Error of the answers by the rank of the image, 0 for the surest and 1 for the least sure."""


@dataclass(frozen=True)
class Cell:
    """A model and a number of images.

    Attributes:
        model: name in `ERROR_AT`.
        error: the stated error.
        images: number of images.
        levels: number of different scores; 0 if all differ.
        group: mean number of images in a group; 1 without groups.
        sizes: distribution of their sizes.
    """

    model: str
    error: float
    images: int
    levels: int = 0
    group: int = 1
    sizes: str = "uneven"

    def __str__(self) -> str:
        ties = f", {self.levels} scores" if self.levels else ""
        groups = f", {self.sizes} groups of {self.group}" if self.group > 1 else ""
        return f"{self.model}{ties}{groups}"

    @cached_property
    def curve(self) -> tuple[Numbers, Numbers, Numbers]:
        """Ranks, the error at each, and the error among the images up to each."""
        rank = np.linspace(0, 1, POINTS)
        at = np.minimum(ERROR_AT[self.model](rank, self.error), 1.0)
        steps = np.concatenate([[0.0], np.cumsum((at[1:] + at[:-1]) / 2)]) / (POINTS - 1)
        return rank, at, np.where(rank > 0, steps / np.maximum(rank, 1 / POINTS), at[0])

    @property
    def best(self) -> float:
        """Largest share of images that a threshold can answer."""
        rank, _, among = self.curve
        kept = rank[among <= self.error]
        return float(self._rounded(kept.max(), np.floor)) if len(kept) else 0.0

    def draw(self, rng: np.random.Generator) -> float:
        """Return the share of new images that the threshold of one set answers."""
        groups = np.arange(self.images)
        tendency = np.ones(self.images)
        rank = rng.random(self.images)
        if self.group > 1:  # all errors are in a fifth of the groups
            weights = self._weights(rng)
            groups = np.sort(rng.choice(len(weights), self.images, p=weights / weights.sum()))
            tendency = (5.0 * (rng.random(self.images) < 0.2))[groups]
            rank = np.where(rng.random(self.images) < 0.5, rng.random(self.images)[groups], rank)
        at = np.interp(rank, *self.curve[:2])
        found = guaranteed_threshold(
            -self._rounded(rank, np.ceil),
            rng.random(self.images) >= tendency * at,
            error=self.error,
            confidence=CONFIDENCE,
            groups=groups if self.group > 1 else None,
        )
        return 0.0 if found.threshold is None else -found.threshold

    def keeps(self, share: float) -> bool:
        """True if the error among the answered is at most the stated one."""
        return share == 0 or float(np.interp(share, self.curve[0], self.curve[2])) <= self.error

    def _weights(self, rng: np.random.Generator) -> Numbers:
        count = self.images // self.group
        if self.sizes == "lognormal":
            return rng.lognormal(0, 1.2, count)
        return 1 + 3 * rng.pareto(1.5, count) if self.sizes == "Pareto" else np.arange(1.0, count + 1) ** -0.5

    def _rounded(self, rank: Numbers, towards: Callable[[Numbers], Numbers]) -> Numbers:
        return towards(rank * self.levels) / self.levels if self.levels else rank


def cells() -> Iterator[Cell]:
    """The grid."""
    for images, error, model in product(SIZES, ERRORS, ERROR_AT):
        yield Cell(model, error, images)
    for images, model in product(SIZES, ("rising late", "in two steps", "good everywhere")):
        yield Cell(model, 0.05, images, levels=20)
    for group, model in product((2, 20), ("no threshold keeps it", "rising late", "good everywhere")):
        yield Cell(model, 0.05, 5000, group=group)
    for sizes, model in product(("lognormal", "Pareto"), ("no threshold keeps it", "rising late")):
        yield Cell(model, 0.05, 1800, group=12, sizes=sizes)


def main() -> int:
    given, rng = read_options(__doc__, 200, "sets of a cell")
    print(f"{given.draws:,} sets a cell; sets whose threshold keeps the error on new images")
    print(f"\n{'images':>6} {'error':>5} {'kept':>7} {'answered':>8} {'possible':>8}  the model is wrong")
    kept: dict[str, int] = {}
    for cell in cells():
        shares = [cell.draw(rng) for _ in range(given.draws)]
        name = f"{cell.images} images, error {cell.error}, {cell}"
        kept[name] = sum(map(cell.keeps, shares))
        numbers = f"{kept[name] / given.draws:7.1%} {np.mean(shares):8.1%} {cell.best:8.1%}"
        print(f"{cell.images:6,} {cell.error:5} {numbers}  {cell}", flush=True)
    return 1 if print_summary("lowest", kept, given.draws, CONFIDENCE) else 0


if __name__ == "__main__":
    sys.exit(main())
