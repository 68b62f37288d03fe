"""Coverage of the intervals of ratios on the same images with few discordant answers.

Each cell of the grid samples models that are right on a share of the clean images, and flips a share of their
answers. `lost` flips answers from right to wrong. `both` flips the same share each way, at most every wrong
answer. A cell shows the coverage of 95 % intervals, and their mean width relative to that from the true
standard deviation (with no flips: the mean width itself).

Before that, ratios of few images are drawn 20,000 times a cell. `fail` must not pass a ratio at the bound,
and `allow` must not fail it. Equal samples are measured once. With `--means`, means of 15 and geometric means
of two ratios are drawn likewise: an image has its own probability of staying right under all shifts.

python benchmarks/ratio_coverage.py                   1,000 draws a cell
python benchmarks/ratio_coverage.py --draws 200       faster, less certain
python benchmarks/ratio_coverage.py --draws 0         ratios of few images alone (2 minutes)
python benchmarks/ratio_coverage.py --means 20000     means of ratios of few images alone (half an hour)

The exit code is 1 if a cell covers significantly less than 93.5 %, or if `fail` or `allow` is wrong in
significantly more than 2.5 % of the draws of a cell (binomial test, 1 % over all cells).
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from simulated import LEAST, Correct, Sample, measure, print_summary, read_options, significant, tables

from quba_check.core.confidence import CONFIDENCE
from quba_check.core.measurement import Measurement, Quantity
from quba_check.core.view import CLEAN, FGSM, PGD, SEVERITIES, View
from quba_check.dimensions._ratios import Ratio, geometric_mean_ratio, mean_ratio

ACCURACIES = (0.6, 0.9, 0.99)
RATES = (0.0, 0.0005, 0.001, 0.002, 0.005, 0.02, 0.1)
IMAGES = (200, 1_000, 10_000)
CONDITIONS = 75
OF_WEAK = 15
FEW_IMAGES = (30, 60, 100, 200)
FEW_ACCURACIES = (0.3, 0.6, 0.9, 0.99)
FEW_RATIOS = (0.02, 0.1, 0.3, 0.5, 0.8, 0.95)
FEW_GAINED = (0.0, 0.05)
FEW_DRAWS = 20_000
ERROR = 0.025
MEAN_IMAGES = (30, 60, 200)
MEAN_ACCURACIES = (0.6, 0.9)
CORRELATION = 0.3
WEAK = 0.7
"""Share of its correct answers that the weaker model of a drop retains under the shift."""


@dataclass(frozen=True)
class Cell:
    """A model: its accuracy, the share of its answers that flip, which way, and the number of images."""

    accuracy: float
    rate: float
    flips: str
    images: int

    @property
    def lost(self) -> float:
        """Share of all images that go from right to wrong."""
        return self.rate if self.flips == "lost" else min(self.rate / 2, 1 - self.accuracy)

    @property
    def gained(self) -> float:
        """Share of all images that go from wrong to right."""
        return 0.0 if self.flips == "lost" else self.lost

    @property
    def ratio(self) -> float:
        """The accuracy after flips, relative to that before."""
        return 1 + (self.gained - self.lost) / self.accuracy

    def flip(self, correct: Correct, rng: np.random.Generator) -> Correct:
        """Return answers after independent flips."""
        chance = np.where(correct, self.lost / self.accuracy, self.gained / (1 - self.accuracy))
        flipped: Correct = correct ^ (rng.random(correct.shape, np.float32) < chance)
        return flipped


def quantities(cell: Cell, rng: np.random.Generator) -> dict[str, Sample]:
    """Return all quantities of one sample."""
    clean = rng.random(cell.images) < cell.accuracy
    fgsm, pgd, other = (cell.flip(clean, rng) for _ in range(3))
    attacked = measure("adversarial_robustness", tables({CLEAN: clean, FGSM: fgsm, PGD: pgd}))
    unshifted = measure("adversarial_robustness", tables({CLEAN: clean, FGSM: clean, PGD: clean}))
    mixed = {View("mixed_same"): clean, View("mixed_rand"): other}
    reference = rng.random(cell.images) < cell.accuracy
    focus = measure("object_focus", tables({CLEAN: reference, **mixed}))
    each = cell.flip(np.tile(clean, (CONDITIONS, 1)), rng)
    weak_cell = replace(cell, accuracy=WEAK * cell.accuracy)
    weak = clean & (rng.random((OF_WEAK, cell.images), np.float32) < WEAK)
    weaker = weak_cell.flip(weak, rng)
    lost = WEAK * (1 - weak_cell.ratio)
    drop = Sample.of_drop
    fgsm_accuracy = "fgsm_accuracy"
    return {
        "ratio": Sample.of(attacked.parts["fgsm"], cell.ratio),
        "geometric mean": Sample.of(attacked, cell.ratio),
        "object_focus": Sample.of(focus, cell.ratio),
        "corruption mean": Sample.of(corruptions(each, clean), cell.ratio),
        "max_drop, share": drop(unshifted, attacked, (1 - cell.ratio) * cell.accuracy, fgsm_accuracy),
        "max_relative_drop, share": drop(unshifted, attacked, 1 - cell.ratio, fgsm_accuracy, relative=True),
        "max_drop, ratio": drop(unshifted, attacked, 1 - cell.ratio, "fgsm"),
        "max_drop, geometric mean": drop(unshifted, attacked, 1 - cell.ratio),
        "max_drop, weak ratio": drop(corruptions(weak[:1], clean), corruptions(weaker[:1], clean), lost),
        "max_drop, weak corruption mean": drop(corruptions(weak, clean), corruptions(weaker, clean), lost),
    }


def corruptions(correct: Correct, clean: Correct) -> Measurement:
    """Return the mean over conditions; severities of a corruption are averaged first."""
    each = correct.reshape(-1, min(len(SEVERITIES), len(correct)), len(clean)).mean(axis=1)
    return Measurement.of("corruption_robustness", mean_ratio([Ratio(row, clean, CLEAN) for row in each]))


@dataclass(frozen=True)
class Coverage:
    """Coverage and width of the intervals in a cell."""

    covered: int
    draws: int
    width: float
    oracle: float

    def __str__(self) -> str:
        if self.oracle == 0:
            return f"{self.covered / self.draws:6.1%} ({self.width:.4f})"
        return f"{self.covered / self.draws:6.1%} {self.width / self.oracle:8.2f}"


def coverage(cell: Cell, draws: int, rng: np.random.Generator) -> dict[str, Coverage]:
    """Return the coverage of each quantity in a cell."""
    found: dict[str, list[Sample]] = defaultdict(list)
    for _ in range(draws):
        for name, one in quantities(cell, rng).items():
            found[name].append(one)
    return {name: summary(runs) for name, runs in found.items()}


def summary(runs: Sequence[Sample]) -> Coverage:
    """Return the coverage of one quantity. A value without limits counts as not covered."""
    covered = sum(all(run.sides) for run in runs)
    width = np.mean([np.ptp(run.curve.interval(CONFIDENCE)) for run in runs if run.curve is not None])
    oracle = 2 * 1.96 * float(np.std([run.value for run in runs]))
    return Coverage(covered, len(runs), float(width), oracle if oracle > 1e-9 else 0.0)


def few_images(rng: np.random.Generator) -> list[str]:
    """Return the cells of few images in which `fail` or `allow` is wrong too often."""
    print(f"few images, {FEW_DRAWS:,} draws a cell: wrong under fail, under allow; width over the oracle's")
    wrong: dict[str, int] = {}
    for n, accuracy, kept, gain in product(FEW_IMAGES, FEW_ACCURACIES, FEW_RATIOS, FEW_GAINED):
        truth = kept + gain * (1 - accuracy) / accuracy
        rates = [accuracy * kept, accuracy * (1 - kept), gain * (1 - accuracy)]
        drawn = rng.multinomial(n, [*rates, 1 - sum(rates)], FEW_DRAWS)
        samples, times = np.unique(drawn[drawn[:, :2].sum(axis=1) > 0, :3], axis=0, return_counts=True)
        quantities = [ratio_of(n, *sample) for sample in samples.tolist()]
        # Without limits nothing passes or fails here, and the width is that of the possible range.
        curves = [one.curve for one in quantities]
        low, high = np.array([one.interval(CONFIDENCE) if one else (0.0, 1 / accuracy) for one in curves]).T
        values = np.array([one.value for one in quantities])
        spread = float(np.sqrt(np.cov(values, fweights=times)))
        name = f"{n} images, clean {accuracy:g}, {kept:g} stay right, {gain:g} gained"
        wrong[f"{name}: fail"] = int(times[low > truth + 1e-9].sum())
        wrong[f"{name}: allow"] = int(times[high < truth - 1e-9].sum())
        shares = (wrong[f"{name}: {policy}"] / FEW_DRAWS for policy in ("fail", "allow"))
        width = np.average(high - low, weights=times) / (2 * 1.96 * spread)
        print(f"  {name:<58}", *(f"{share:7.2%}" for share in shares), f"{width:6.2f}", flush=True)
    return print_summary("few images: most wrong verdicts", wrong, FEW_DRAWS, ERROR, above=True)


def few_means(draws: int, rng: np.random.Generator) -> list[str]:
    """Return the cells of means of ratios in which `fail` or `allow` is wrong too often."""
    print(
        f"means of few images, {draws:,} draws a cell: wrong under fail, under allow; width over the oracle's"
    )
    wrong: dict[str, int] = {}
    kinds = {"mean of 15": (15, mean_ratio), "geometric mean of 2": (2, geometric_mean_ratio)}
    shape = (1 - CORRELATION) / CORRELATION
    for (kind, (parts, mean)), n, accuracy, kept in product(
        kinds.items(), MEAN_IMAGES, MEAN_ACCURACIES, FEW_RATIOS
    ):
        ends = []
        values = []
        for _ in range(draws):
            clean = rng.random(n) < accuracy
            stays = rng.random((parts, n)) < rng.beta(kept * shape, (1 - kept) * shape, n)
            if not clean.any():
                continue
            quantity = mean([Ratio(clean & one, clean, CLEAN) for one in stays])
            values.append(quantity.value)
            ends.append(quantity.curve.interval(CONFIDENCE) if quantity.curve else (0.0, 1 / accuracy))
        low, high = np.array(ends).T
        name = f"{kind}, {n} images, clean {accuracy:g}, {kept:g} stay right"
        wrong[f"{name}: fail"] = int(np.count_nonzero(low > kept + 1e-9))
        wrong[f"{name}: allow"] = int(np.count_nonzero(high < kept - 1e-9))
        shares = (wrong[f"{name}: {policy}"] / draws for policy in ("fail", "allow"))
        width = float(np.mean(high - low)) / (2 * 1.96 * float(np.std(values)))
        print(f"  {name:<58}", *(f"{share:7.2%}" for share in shares), f"{width:6.2f}", flush=True)
    return print_summary("means of few images: most wrong verdicts", wrong, draws, ERROR, above=True)


def ratio_of(n: int, kept: int, lost: int, gained: int) -> Quantity:
    """Return the ratio of n images, from numbers of answers that stay right, are lost, or gained."""
    image = np.arange(n)
    right = kept + lost
    shifted = (image < kept) | (image >= right) & (image < right + gained)
    return Ratio(shifted, image < right, CLEAN).quantity()


def main() -> int:
    given, rng = read_options(__doc__, 1000, images=IMAGES, flags=("--means",))
    if given.means:
        return 1 if few_means(given.means, rng) else 0
    often = few_images(rng)
    if not given.draws:
        return 1 if often else 0
    grid = [
        Cell(accuracy, rate, flips, images)
        for flips, images, accuracy, rate in product(("lost", "both"), IMAGES, ACCURACIES, RATES)
        if not given.images or images in given.images
    ]
    print(f"{given.draws:,} draws a cell; coverage of 95 % intervals, and their mean width over the oracle's")
    found: dict[tuple[str, Cell], Coverage] = {}
    for cell in grid:
        print(
            f"\n{cell.images:,} images, clean accuracy {cell.accuracy:g}, {cell.rate:.2%} flip ({cell.flips})"
        )
        for name, one in coverage(cell, given.draws, rng).items():
            found[name, cell] = one
            print(f"  {name:<32}{one}", flush=True)
    print(f"\nlowest coverage of {len(grid)} cells")
    for name in dict.fromkeys(name for name, _ in found):
        mine = {cell: one for (other, cell), one in found.items() if other == name}
        worst = min(mine, key=lambda cell: mine[cell].covered)
        print(f"  {name:<32}{mine[worst].covered / given.draws:6.1%}  {worst}")
    counts = {f"{name}, {cell}": one.covered for (name, cell), one in found.items()}
    short = significant(counts, given.draws, LEAST)
    print(f"\nsignificantly below {LEAST:.1%}: {len(short)} of {len(found)}", *short, sep="\n  ")
    return 1 if short or often else 0


if __name__ == "__main__":
    sys.exit(main())
