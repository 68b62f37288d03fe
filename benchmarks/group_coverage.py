"""Coverage of the intervals of images that come in groups.

Each cell of the grid samples groups of images whose answers are correlated: a group has its own probability
of a right answer, and its own share of answers that survive each corruption or another model (beta
distributions). A cell shows the coverage of 95 % intervals with groups, and then without.

python benchmarks/group_coverage.py                   1,000 draws a cell (an hour)
python benchmarks/group_coverage.py --draws 200       faster, less certain

The exit code is 1 if a cell with 30 groups or more covers significantly less than 93.5 % (binomial test, 1 %
over all cells).
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

from quba_check.comparison.baseline import run_value
from quba_check.comparison.difference import difference
from quba_check.core.confidence import CONFIDENCE, ConfidenceCurve
from quba_check.core.facts import Facts, ModelFacts, SuiteFacts
from quba_check.core.measurement import Measurement
from quba_check.core.predictions import Predictions
from quba_check.core.view import CLEAN, CORRUPTIONS, FGSM, PGD, SEVERITIES, View
from quba_check.dimensions import measure_dimension, registry

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
        """Return the group of each image. Heavy-tailed sizes have a Pareto tail of 1.5, cut at 200 images."""
        if self.sizes == "heavy-tailed":
            sizes = np.minimum(1 + 3 * rng.pareto(1.5, self.groups), 200).astype(int)
        else:
            sizes = np.full(self.groups, int(self.sizes))
        return np.repeat(np.arange(self.groups), sizes)

    def draw(self, group: NDArray[np.int64], share: float, rng: np.random.Generator) -> Correct:
        """Return an event for each image with a mean share and the cell's correlation within groups."""
        chance = np.full(self.groups, share)
        if self.correlation:
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


def table(correct: Correct, group: NDArray[np.int64] | None) -> Predictions:
    """Return predictions that are correct or not."""
    n = len(correct)
    predictions = answers(np.arange(n) % CLASSES, correct, CLASSES, np.random.default_rng(0))
    predictions.extra.update(always_right=correct, zero_gradient=np.zeros(n, bool))
    probabilities = np.full((n, CLASSES), 1 / CLASSES, np.float32)
    return replace(predictions, group=group, probabilities=probabilities)


def drop(before: Measurement, after: Measurement) -> ConfidenceCurve | None:
    """Return the limits of the change between two models on the same images."""
    first, second = run_value(before, None), run_value(after, None)
    return None if first is None or second is None else difference(first, second).curve


def cells() -> Iterator[Cell]:
    """The grid."""
    for sizes, groups, correlation in product(SIZES, GROUPS, CORRELATIONS):
        yield Cell(correlation, groups, sizes)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--draws", type=int, default=1000, help="draws of a cell (default 1,000)")
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
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
