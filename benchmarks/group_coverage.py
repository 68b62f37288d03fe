"""Coverage of the intervals of images that come in groups.

Each cell of the grid samples groups of images whose answers are correlated: a group has its own probability
of a right answer, and its own share of answers that survive each corruption or another model (beta
distributions). A cell shows the coverage of 95 % intervals with groups, and then without.

Shares near 0 and 1, a part of them without an error or a hit, are drawn five times as often and at more sizes
of groups. For 150 groups they show how much wider intervals are than those of a bootstrap of groups.

python benchmarks/group_coverage.py                   40 draws a cell (two minutes)
python benchmarks/group_coverage.py --draws 1000      slower, more certain

The exit code is 1 if a cell covers significantly less than 93.5 % (binomial test, 1 % over all cells; for the
grid only with 30 groups or more), or if intervals of a share of 0.8 are more than 1.5 times as wide as those
of the bootstrap (correlations up to 0.1, without a dominating group).
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom
from simulated import answers

from quba_check.comparison.difference import RunValue, difference
from quba_check.core.confidence import CONFIDENCE, ConfidenceCurve
from quba_check.core.facts import Facts, ModelFacts, SuiteFacts
from quba_check.core.measurement import Measurement
from quba_check.core.predictions import Predictions
from quba_check.core.view import CLEAN, CORRUPTIONS, FGSM, PGD, SEVERITIES, View
from quba_check.dimensions import measure_dimension, registry, share
from quba_check.dimensions._measuring import with_groups
from quba_check.records.per_image import PerImage

SHARES, SHARE_SIZES = (0.002, 0.02, 0.2, 0.5, 0.8, 0.98, 0.998), ("12", "lognormal", "Pareto", "one of 300")
SHARE_GROUPS, SHARE_CORRELATIONS = (10, 15, 30, 150), (0.0, 0.1, 0.3, 1.0)
WIDEST, WIDTHS_OF, RESAMPLES, MORE = 1.5, 0.8, 200, 5
CORRELATIONS = (0.0, 0.01, 0.05, 0.2)
GROUPS = (10, 30, 300)
SIZES = ("2", "20", "heavy-tailed")
ACCURACY, SURVIVAL, SURVIVAL_OF_OTHER, CLASSES = 0.8, 0.7, 0.9, 10
LEAST, LEVEL, FEWEST = 0.935, 0.01, 30
Correct = NDArray[np.bool_]
FACTS = Facts(SuiteFacts("simulated", CLASSES, (), CORRUPTIONS, {}), ModelFacts(1, 1))


@dataclass(frozen=True)
class Cell:
    """Images in groups: correlation within a group, number of groups, and their sizes."""

    correlation: float
    groups: int
    sizes: str

    def draw_groups(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the group of each image. Pareto sizes have a tail of 1.5, cut at 200 images."""
        if self.sizes in ("heavy-tailed", "Pareto"):
            sizes = np.minimum(1 + 3 * rng.pareto(1.5, self.groups), 200).astype(int)
        elif self.sizes == "lognormal":
            sizes = np.ceil(rng.lognormal(1.5, 1.2, self.groups)).astype(int)
        elif self.sizes == "one of 300":
            sizes = np.array([300] + [8] * (self.groups - 1))
        else:
            sizes = np.full(self.groups, int(self.sizes))
        return np.repeat(np.arange(self.groups), sizes)

    def draw(self, group: NDArray[np.int64], share: float, rng: np.random.Generator) -> Correct:
        """Return an event for each image with a mean share and the cell's correlation within groups."""
        chance = np.full(self.groups, share)
        if self.correlation == 1:
            chance = (rng.random(self.groups) < share).astype(np.float64)
        elif self.correlation:
            concentration = (1 - self.correlation) / self.correlation
            chance = rng.beta(share * concentration, (1 - share) * concentration, self.groups)
        event: Correct = rng.random(len(group)) < chance[group]
        return event


def curves(cell: Cell, rng: np.random.Generator, *, with_groups: bool = True) -> dict[str, Sample]:
    """Return each quantity of one sample, with its true value."""
    group = cell.draw_groups(rng)
    clean = cell.draw(group, ACCURACY, rng)
    attacked, other = (clean & cell.draw(group, share, rng) for share in (SURVIVAL, SURVIVAL_OF_OTHER))
    views: dict[View, Correct] = {CLEAN: clean, FGSM: attacked, PGD: attacked}
    for corruption in CORRUPTIONS:
        correct = clean & cell.draw(group, SURVIVAL, rng)
        views |= {View("corruptions", corruption, severity): correct for severity in SEVERITIES}
    tables = {view: table(correct, group if with_groups else None) for view, correct in views.items()}
    accuracy, robustness, mean = (
        measure_dimension(registry[name], tables, FACTS)
        for name in ("accuracy", "adversarial_robustness", "corruption_robustness")
    )
    of_other = {CLEAN: table(other, group if with_groups else None)}
    change = drop(accuracy, measure_dimension(registry["accuracy"], of_other, FACTS))
    return {
        "accuracy": Sample(ACCURACY, accuracy.curve),
        "ratio": Sample(SURVIVAL, robustness.parts["fgsm"].curve),
        "mean over 15 corruptions": Sample(SURVIVAL, mean.curve),
        "paired change": Sample(ACCURACY * (SURVIVAL_OF_OTHER - 1), change),
    }


@dataclass(frozen=True)
class Sample:
    """The limits of a quantity in one sample, and its true value."""

    truth: float
    curve: ConfidenceCurve | None

    @property
    def is_covered(self) -> bool:
        """True if the 95 % interval contains the true value; False without an interval."""
        if self.curve is None:
            return False
        low, high = self.curve.interval(CONFIDENCE)
        return low - 1e-9 <= self.truth <= high + 1e-9


def short_shares(given: argparse.Namespace, rng: np.random.Generator) -> list[str]:
    """Return the cells of shares with too small a coverage or too wide intervals."""
    print("\nshares: lowest coverage over shares of 0.002 to 0.998; width, as a multiple of the bootstrap's")
    short, wide, draws = [], [], MORE * given.draws
    grid = list(product(SHARE_SIZES, SHARE_GROUPS, SHARE_CORRELATIONS))
    for sizes, groups, correlation in grid:
        cell = Cell(correlation, groups, sizes)
        covered: dict[float, int] = {}
        widths: dict[float, float] = {}
        for mean in SHARES:
            samples = [share_sample(cell, mean, rng) for _ in range(draws)]
            covered[mean] = sum(Sample(mean, curve).is_covered for curve, _, _ in samples)
            if binom.cdf(covered[mean], draws, LEAST) < LEVEL / (len(grid) * len(SHARES)):
                short.append(f"share {mean}, {cell}: {covered[mean] / draws:.1%}")
            if groups == max(SHARE_GROUPS):
                widths[mean] = width_ratio(samples[:40], rng)
        if widths and correlation <= 0.1 and sizes != "one of 300" and widths[WIDTHS_OF] > WIDEST:
            wide.append(f"{cell}: {widths[WIDTHS_OF]:.2f} times as wide as the bootstrap")
        shown = "  ".join(f"{mean:g}: {ratio:.2f}" for mean, ratio in widths.items())
        name = f"{groups} groups, {sizes}, correlation {correlation:g}"
        print(f"  {name:<44}{min(covered.values()) / draws:7.1%}  {shown}", flush=True)
    return short + wide


def share_sample(
    cell: Cell, mean: float, rng: np.random.Generator
) -> tuple[ConfidenceCurve | None, NDArray[np.int64], Correct]:
    """Return the limits of the share of one sample, the groups and the hits."""
    group = cell.draw_groups(rng)
    hits = cell.draw(group, mean, rng)
    n = len(group)
    zeros, half = np.zeros(n, np.int64), np.full(n, 0.5, np.float32)
    predictions = Predictions(np.arange(n), zeros, zeros, half, half, group=group)
    return with_groups(share(hits, CLEAN), {CLEAN: predictions}).curve, group, hits


def width_ratio(
    samples: list[tuple[ConfidenceCurve | None, NDArray[np.int64], Correct]], rng: np.random.Generator
) -> float:
    """Return the mean width of intervals over that of percentiles of a bootstrap of groups."""
    ours, theirs = 0.0, 0.0
    for curve, group, hits in samples:
        sums = np.stack([np.bincount(group, weights=hits), np.bincount(group)])
        right, n = sums[:, rng.integers(0, sums.shape[1], (RESAMPLES, sums.shape[1]))].sum(axis=2)
        theirs += float(np.ptp(np.quantile(right / n, [0.025, 0.975])))
        ours += 0.0 if curve is None else float(np.ptp(curve.interval(CONFIDENCE)))
    return ours / theirs if theirs else float("inf")


def table(correct: Correct, group: NDArray[np.int64] | None) -> Predictions:
    """Return predictions that are correct or not."""
    n = len(correct)
    predictions = answers(np.arange(n) % CLASSES, correct, CLASSES, np.random.default_rng(0))
    predictions.extra.update(always_right=correct, zero_gradient=np.zeros(n, bool))
    probabilities = np.full((n, CLASSES), 1 / CLASSES, np.float32)
    return replace(predictions, group=group, probabilities=probabilities)


def drop(before: Measurement, after: Measurement) -> ConfidenceCurve | None:
    """Return the limits of the change between two models on the same images."""
    first, second = (RunValue.of(one, one.dimension, None, PerImage.of(one), "") for one in (before, after))
    return None if first is None or second is None else difference(first, second).curve


def cells() -> Iterator[Cell]:
    """The grid."""
    for sizes, groups, correlation in product(SIZES, GROUPS, CORRELATIONS):
        yield Cell(correlation, groups, sizes)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--draws", type=int, default=40, help="draws of a cell (default 40)")
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    rng = np.random.default_rng(given.seed)
    print(f"{given.draws:,} draws a cell; coverage of 95 % intervals with groups, and without")
    covered: dict[tuple[Cell, str], int] = {}
    for cell in cells():
        print(f"\n{cell.groups} groups of {cell.sizes} images, correlation {cell.correlation:g}")
        ours, without = Counter[str](), Counter[str]()
        for _ in range(given.draws):
            ours.update(name for name, one in curves(cell, rng).items() if one.is_covered)
        for _ in range(given.draws // 4):
            sample = curves(cell, rng, with_groups=False)
            without.update(name for name, one in sample.items() if one.is_covered)
        for name in sample:
            covered[cell, name] = ours[name]
            shares = ours[name] / given.draws, without[name] / (given.draws // 4)
            print(f"  {name:<26}{shares[0]:7.1%}{shares[1]:8.1%}", flush=True)
    enough = {key: count for key, count in covered.items() if key[0].groups >= FEWEST}
    short = [
        f"{name}, {cell}: {count / given.draws:.1%}"
        for (cell, name), count in enough.items()
        if binom.cdf(count, given.draws, LEAST) < LEVEL / len(enough)
    ]
    lowest = min(enough.values()) / given.draws
    print(f"\n{FEWEST} groups or more: lowest coverage {lowest:.1%}")
    print(f"significantly below {LEAST:.1%}: {len(short)} of {len(enough)}", *short, sep="\n  ")
    shares = short_shares(given, rng)
    print(f"shares: {len(shares)} cells cover too little, or are too wide", *shares, sep="\n  ")
    return 1 if short or shares else 0


if __name__ == "__main__":
    sys.exit(main())
