"""Coverage of the intervals of images that come in groups.

Each cell of the grid samples groups of images whose answers are correlated: a group has its own probability
of a right answer, and its own share of answers that survive each corruption or another model (beta
distributions). A cell shows the coverage of 95 % intervals with groups, and then without.

Shares near 0 and 1, a part of them without an error or a hit, are drawn five times as often and at more sizes
of groups. For 150 groups they show how much wider intervals are than those of a bootstrap of groups.

Drops of a recall with few lost answers are drawn 20,000 times a cell, with ten images of other classes in
each group: `fail` must not pass a drop at the bound, and `allow` must not fail it.

python benchmarks/group_coverage.py --draws 0         drops of a recall alone (3 minutes)
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
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from simulated import LEAST, Correct, Sample, measure, print_summary, read_options, significant, tables

from quba_check.comparison.difference import RunValue, difference
from quba_check.core.confidence import CONFIDENCE
from quba_check.core.predictions import Predictions
from quba_check.core.view import CLEAN, CORRUPTIONS, FGSM, PGD, SEVERITIES, View
from quba_check.dimensions import share
from quba_check.dimensions._measuring import with_groups

SHARES, SHARE_SIZES = (0.002, 0.02, 0.2, 0.5, 0.8, 0.98, 0.998), ("12", "lognormal", "Pareto", "one of 300")
SHARE_GROUPS, SHARE_CORRELATIONS = (10, 15, 30, 150), (0.0, 0.1, 0.3, 1.0)
WIDEST, WIDTHS_OF, RESAMPLES, MORE = 1.5, 0.8, 200, 5
DROP_GROUPS, DROP_SIZES, DROP_LOST, OTHERS = 60, ("2", "lognormal"), (2, 5), 10
DROP_DRAWS, ERROR = 20_000, 0.025
CORRELATIONS = (0.0, 0.01, 0.05, 0.2)
GROUPS = (10, 30, 300)
SIZES = ("2", "20", "heavy-tailed")
ACCURACY, SURVIVAL, SURVIVAL_OF_OTHER, FEWEST = 0.8, 0.7, 0.9, 30


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
    counted = group if with_groups else None
    all_tables = tables(views, counted)
    accuracy, robustness, mean = (
        measure(name, all_tables) for name in ("accuracy", "adversarial_robustness", "corruption_robustness")
    )
    of_other = measure("accuracy", tables({CLEAN: other}, counted))
    return {
        "accuracy": Sample.of(accuracy, ACCURACY),
        "ratio": Sample.of(robustness.parts["fgsm"], SURVIVAL),
        "mean over 15 corruptions": Sample.of(mean, SURVIVAL),
        "paired change": Sample.of_drop(accuracy, of_other, ACCURACY * (1 - SURVIVAL_OF_OTHER)),
    }


def short_shares(given: argparse.Namespace, rng: np.random.Generator) -> list[str]:
    """Return the cells of shares with too small a coverage or too wide intervals."""
    print("\nshares: lowest coverage over shares of 0.002 to 0.998; width, as a multiple of the bootstrap's")
    covered: dict[str, int] = {}
    wide, draws = [], MORE * given.draws
    for sizes, groups, correlation in product(SHARE_SIZES, SHARE_GROUPS, SHARE_CORRELATIONS):
        cell = Cell(correlation, groups, sizes)
        widths: dict[float, float] = {}
        lowest = draws
        for mean in SHARES:
            samples = [share_sample(cell, mean, rng) for _ in range(draws)]
            held = sum(all(sample.sides) for sample, _, _ in samples)
            covered[f"share {mean}, {cell}"], lowest = held, min(lowest, held)
            if groups == max(SHARE_GROUPS):
                widths[mean] = width_ratio(samples[:40], rng)
        if widths and correlation <= 0.1 and sizes != "one of 300" and widths[WIDTHS_OF] > WIDEST:
            wide.append(f"{cell}: {widths[WIDTHS_OF]:.2f} times as wide as the bootstrap")
        shown = "  ".join(f"{mean:g}: {ratio:.2f}" for mean, ratio in widths.items())
        name = f"{groups} groups, {sizes}, correlation {correlation:g}"
        print(f"  {name:<44}{lowest / draws:7.1%}  {shown}", flush=True)
    return significant(covered, draws, LEAST) + wide


def share_sample(
    cell: Cell, mean: float, rng: np.random.Generator
) -> tuple[Sample, NDArray[np.int64], Correct]:
    """Return the share of one sample, the groups and the hits."""
    group = cell.draw_groups(rng)
    hits = cell.draw(group, mean, rng)
    n = len(group)
    zeros, half = np.zeros(n, np.int64), np.full(n, 0.5, np.float32)
    predictions = Predictions(np.arange(n), zeros, zeros, half, half, group=group)
    return Sample.of(with_groups(share(hits, CLEAN), {CLEAN: predictions}), mean), group, hits


def width_ratio(samples: list[tuple[Sample, NDArray[np.int64], Correct]], rng: np.random.Generator) -> float:
    """Return the mean width of intervals over that of percentiles of a bootstrap of groups."""
    ours, theirs = 0.0, 0.0
    for sample, group, hits in samples:
        sums = np.stack([np.bincount(group, weights=hits), np.bincount(group)])
        right, n = sums[:, rng.integers(0, sums.shape[1], (RESAMPLES, sums.shape[1]))].sum(axis=2)
        theirs += float(np.ptp(np.quantile(right / n, [0.025, 0.975])))
        ours += 0.0 if sample.curve is None else float(np.ptp(sample.curve.interval(CONFIDENCE)))
    return ours / theirs if theirs else float("inf")


def recall_drops(draws: int, rng: np.random.Generator) -> list[str]:
    """Return the cells of drops with few lost answers in which `fail` or `allow` is wrong too often."""
    print(
        f"drops of a recall, {draws:,} draws a cell: wrong under fail, under allow; width over the oracle's"
    )
    wrong: dict[str, int] = {}
    for sizes, lost, correlation in product(DROP_SIZES, DROP_LOST, (0.0, 1.0)):
        samples = [recall_drop(Cell(correlation, DROP_GROUPS, sizes), lost, rng) for _ in range(draws)]
        name = f"{DROP_GROUPS} groups, {sizes}, {lost} lost, correlation {correlation:g}"
        passed, failed = (
            sum(not sample.sides[side] for sample in samples if sample.curve) for side in range(2)
        )
        wrong |= {f"{name}: fail": passed, f"{name}: allow": failed}
        widths = [np.ptp(sample.curve.interval(CONFIDENCE)) for sample in samples if sample.curve]
        width = float(np.mean(widths)) / (2 * 1.96 * float(np.std([one.value for one in samples])))
        print(f"  {name:<48}{passed / draws:7.2%}{failed / draws:8.2%}{width:7.2f}", flush=True)
    return print_summary("drops of a recall: most wrong verdicts", wrong, draws, ERROR, above=True)


def recall_drop(cell: Cell, lost: int, rng: np.random.Generator) -> Sample:
    """Return the drop of the recall of a class, 0.9 before some right answers are lost."""
    of_class = cell.draw_groups(rng)
    others = np.repeat(np.arange(cell.groups), OTHERS)
    group, is_class = (
        np.concatenate([of_class, others]),
        np.arange(len(of_class) + len(others)) < len(of_class),
    )
    # With a correlation of 1 whole groups are lost.
    rate = lost / (cell.groups if cell.correlation == 1 else len(of_class))
    before = rng.random(len(of_class)) < 0.9
    after = before & ~cell.draw(of_class, rate, rng)
    runs = []
    for right in (before, after):
        influences = np.zeros(len(group))
        influences[is_class] = (right - right.mean()) * len(group) / len(right)
        runs.append(RunValue(float(right.mean()), influences={"clean": influences}, groups={"clean": group}))
    change = difference(*runs)
    return Sample(-0.9 * rate, change.value, change.curve)


def main() -> int:
    given, rng = read_options(__doc__, 40)
    often = recall_drops(DROP_DRAWS, rng)
    if not given.draws:
        return 1 if often else 0
    print(f"{given.draws:,} draws a cell; coverage of 95 % intervals with groups, and without")
    enough: dict[str, int] = {}
    for sizes, groups, correlation in product(SIZES, GROUPS, CORRELATIONS):
        cell = Cell(correlation, groups, sizes)
        print(f"\n{cell.groups} groups of {cell.sizes} images, correlation {cell.correlation:g}")
        ours, without = Counter[str](), Counter[str]()
        for _ in range(given.draws):
            ours.update(name for name, one in curves(cell, rng).items() if all(one.sides))
        for _ in range(given.draws // 4):
            sample = curves(cell, rng, with_groups=False)
            without.update(name for name, one in sample.items() if all(one.sides))
        for name in sample:
            if groups >= FEWEST:
                enough[f"{name}, {cell}"] = ours[name]
            shares = ours[name] / given.draws, without[name] / (given.draws // 4)
            print(f"  {name:<26}{shares[0]:7.1%}{shares[1]:8.1%}", flush=True)
    short = print_summary(f"{FEWEST} groups or more: lowest coverage", enough, given.draws, LEAST)
    shares = short_shares(given, rng)
    print(f"shares: {len(shares)} cells cover too little, or are too wide", *shares, sep="\n  ")
    return 1 if short or shares or often else 0


if __name__ == "__main__":
    sys.exit(main())
