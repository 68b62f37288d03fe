"""Coverage of the intervals of ratios on the same images with few discordant answers.

Each cell of the grid samples models that are right on a share of the clean images, and flips a share of their
answers. `lost` flips answers from right to wrong. `both` flips the same share each way, at most every wrong
answer. A cell shows the coverage of 95 % intervals, and their mean width relative to that from the true
standard deviation (with no flips: the mean width itself).

python benchmarks/ratio_coverage.py                   1,000 draws a cell
python benchmarks/ratio_coverage.py --draws 200       faster, less certain

The exit code is 1 if a cell covers significantly less than 93.5 % (binomial test, 1 % over all cells).
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom
from simulated import answers

from quba_check.comparison.difference import RunValue, difference, ratio
from quba_check.core.confidence import CONFIDENCE, ConfidenceCurve
from quba_check.core.facts import Facts, ModelFacts, SuiteFacts
from quba_check.core.measurement import Measurement
from quba_check.core.predictions import Predictions
from quba_check.core.view import CLEAN, FGSM, PGD, SEVERITIES, View
from quba_check.dimensions import registry
from quba_check.dimensions._ratios import Ratio, mean_ratio
from quba_check.records.per_image import PerImage

ACCURACIES = (0.6, 0.9, 0.99)
RATES = (0.0, 0.0005, 0.001, 0.002, 0.005, 0.02, 0.1)
IMAGES = (200, 1_000, 10_000)
CONDITIONS, OF_WEAK, CLASSES = 75, 15, 10
WEAK = 0.7
"""Share of its correct answers that the weaker model of a drop retains under the shift."""
LEAST, LEVEL = 0.935, 0.01
Correct = NDArray[np.bool_]


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


@dataclass(frozen=True)
class Sampled:
    """A quantity of one sample; its curve is None if unknown."""

    truth: float
    value: float
    curve: ConfidenceCurve | None


def quantities(cell: Cell, rng: np.random.Generator) -> dict[str, Sampled]:
    """Return all quantities of one sample."""
    clean = rng.random(cell.images) < cell.accuracy
    fgsm, pgd, other = (cell.flip(clean, rng) for _ in range(3))
    attacked = measure("adversarial_robustness", {CLEAN: clean, FGSM: fgsm, PGD: pgd})
    unshifted = measure("adversarial_robustness", {CLEAN: clean, FGSM: clean, PGD: clean})
    mixed = {View("mixed_same"): clean, View("mixed_rand"): other}
    reference = rng.random(cell.images) < cell.accuracy
    focus = measure("object_focus", {CLEAN: reference, **mixed})
    each = cell.flip(np.tile(clean, (CONDITIONS, 1)), rng)
    weak_cell = replace(cell, accuracy=WEAK * cell.accuracy)
    weak = clean & (rng.random((OF_WEAK, cell.images), np.float32) < WEAK)
    weaker = weak_cell.flip(weak, rng)
    lost = WEAK * (1 - weak_cell.ratio)
    return {
        "ratio": of(attacked, cell.ratio, "fgsm"),
        "geometric mean": of(attacked, cell.ratio),
        "object_focus": of(focus, cell.ratio),
        "corruption mean": of(corruptions(each, clean), cell.ratio),
        "max_drop, share": drop(unshifted, attacked, (1 - cell.ratio) * cell.accuracy, "fgsm_accuracy"),
        "max_relative_drop, share": drop(unshifted, attacked, 1 - cell.ratio, "fgsm_accuracy", relative=True),
        "max_drop, ratio": drop(unshifted, attacked, 1 - cell.ratio, "fgsm"),
        "max_drop, geometric mean": drop(unshifted, attacked, 1 - cell.ratio),
        "max_drop, weak ratio": drop(corruptions(weak[:1], clean), corruptions(weaker[:1], clean), lost),
        "max_drop, weak corruption mean": drop(corruptions(weak, clean), corruptions(weaker, clean), lost),
    }


def measure(dimension: str, correct: Mapping[View, Correct]) -> Measurement:
    """Return a dimension of answers."""
    facts = Facts(SuiteFacts("simulated", CLASSES, (), (), {}), ModelFacts(1, 1))
    return registry[dimension].measure({view: table(answers) for view, answers in correct.items()}, facts)


def table(correct: Correct) -> Predictions:
    """Return predictions that are correct or not; no image has a zero gradient."""
    n = len(correct)
    predictions = answers(np.arange(n) % CLASSES, correct, CLASSES, np.random.default_rng(0))
    predictions.extra.update(always_right=correct, zero_gradient=np.zeros(n, bool))
    return predictions


def corruptions(correct: Correct, clean: Correct) -> Measurement:
    """Return the mean over conditions; severities of a corruption are averaged first."""
    each = correct.reshape(-1, min(len(SEVERITIES), len(correct)), len(clean)).mean(axis=1)
    return Measurement.of("corruption_robustness", mean_ratio([Ratio(row, clean, CLEAN) for row in each]))


def of(measurement: Measurement, truth: float, part: str | None = None) -> Sampled:
    """Return a dimension or part with its true value."""
    quantity = measurement.parts[part] if part else measurement
    return Sampled(truth, quantity.value, quantity.curve)


def drop(
    before: Measurement, after: Measurement, truth: float, part: str | None = None, *, relative: bool = False
) -> Sampled:
    """Return the drop of a dimension or part between two models on the same images."""
    sides = [RunValue.of(one, one.dimension, part, PerImage.of(one), "") for one in (before, after)]
    first, second = (side for side in sides if side is not None)
    change = (ratio if relative else difference)(first, second)
    return Sampled(relative - truth, change.value, change.curve)


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

    def falls_short(self, cells: int) -> bool:
        """True if the intervals cover significantly less than `LEAST`, in one of so many cells."""
        return bool(binom.cdf(self.covered, self.draws, LEAST) < LEVEL / cells)


def coverage(cell: Cell, draws: int, rng: np.random.Generator) -> dict[str, Coverage]:
    """Return the coverage of each quantity in a cell."""
    found: dict[str, list[Sampled]] = defaultdict(list)
    for _ in range(draws):
        for name, one in quantities(cell, rng).items():
            found[name].append(one)
    return {name: summary(runs) for name, runs in found.items()}


def summary(runs: Sequence[Sampled]) -> Coverage:
    """Return the coverage of one quantity. A value without limits counts as not covered."""
    ends = [run.curve.interval(CONFIDENCE) for run in runs if run.curve is not None]
    truth, rounding = runs[0].truth, 1e-9
    covered = sum(low - rounding <= truth <= high + rounding for low, high in ends)
    width = float(np.mean([high - low for low, high in ends]))
    oracle = 2 * 1.96 * float(np.std([run.value for run in runs]))
    return Coverage(covered, len(runs), width, oracle if oracle > rounding else 0.0)


def cells() -> Iterator[Cell]:
    """The grid."""
    for flips, images, accuracy, rate in product(("lost", "both"), IMAGES, ACCURACIES, RATES):
        yield Cell(accuracy, rate, flips, images)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--draws", type=int, default=1000, help="draws of a cell (default 1,000)")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--images", type=int, action="append", choices=IMAGES, help="only this number")
    given = options.parse_args()
    rng = np.random.default_rng(given.seed)
    grid = [cell for cell in cells() if not given.images or cell.images in given.images]
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
    short = [f"{name}, {cell}" for (name, cell), one in found.items() if one.falls_short(len(found))]
    print(f"\nsignificantly below {LEAST:.1%}: {len(short)} of {len(found)}", *short, sep="\n  ")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
