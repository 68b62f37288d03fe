"""Wrong verdicts on the worst slice and the largest gap, in simulated sets.

In each cell the worst slice lies at the bound. The others are equal, or better and as large or larger.
`fail` must not pass such a set, and `allow` must not fail it. `point` decides by the measured value: it must
do both about as often if one slice alone is at the bound, so that hardly any other is measured below it.

With `--drops` the largest drop of a class lies at the bound: of equal classes, or of one that others do not
reach. The drop of a class is measured once for each number of lost and gained answers.

python benchmarks/simultaneous_limits.py                1,000 sets a cell (2 minutes)
python benchmarks/simultaneous_limits.py --drops 20000  drops of classes alone (10 minutes)
python benchmarks/simultaneous_limits.py --draws 200    faster, less certain

The exit code is 1 if `fail` or `allow` is wrong in significantly more than 3.5 % of the sets of a cell
(binomial test, 1 % over all cells; 2.5 % for drops), or if `point` passes less than 35 % or more than 65 %
with one slice at the bound.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom
from simulated import ALLOW, FAIL, MOST_WRONG, is_wrong, print_summary, read_options

from quba_check.comparison.baseline import drop
from quba_check.comparison.difference import RunValue
from quba_check.core.measurement import Drop, Measurement, Quantity, SliceValues, Unmeasurable
from quba_check.core.request import CLASS_NUMBERS, EACH, Part, Request
from quba_check.core.view import CLEAN
from quba_check.demands import Demand
from quba_check.demands.demand import POINT
from quba_check.dimensions._ratios import share_curve
from quba_check.dimensions._slices import gap
from quba_check.verdicts import decide
from quba_check.verdicts.class_drops import largest_drop
from quba_check.verdicts.slices import worst_of

LEAST_PASSED = 0.35
MOST_PASSED = 0.65
ALONE = 0.99
RIGHT = 0.9
FLIPS = ((0.01, 0.0), (0.05, 0.0), (0.05, 0.03), (0.2, 0.02))
ERROR = 0.025
"""Recall before; shares of lost and gained answers; nominal error of a limit."""
SLICES = (1, 5, 30)
IMAGES = (50, 500)
RATES = (0.5, 0.9, 0.99)


@dataclass(frozen=True)
class Cell:
    """Slices with a true accuracy each.

    Attributes:
        kind: the differences between them.
        images: (k,) images of each slice.
        rates: (k,) true accuracies; the first one is the lowest.
    """

    kind: str
    images: tuple[int, ...]
    rates: tuple[float, ...]

    @property
    def is_alone(self) -> bool:
        """True if any other slice is measured below the bound in at most 1 % of sets."""
        n = np.array(self.images[1:])
        rates = np.array(self.rates[1:])
        below = binom.cdf(np.ceil(n * self.rates[0] - 1e-9) - 1, n, rates)
        return bool(np.prod(1 - below) >= ALONE)

    @property
    def true_gap(self) -> float:
        """The largest gap between a slice and all other images."""
        right = np.multiply(self.images, self.rates)
        rest = (right.sum() - right) / (sum(self.images) - np.array(self.images))
        return float((rest - self.rates).max())

    def __str__(self) -> str:
        return f"{len(self.images)} slices of {self.images[0]} images, {self.kind}, at {self.rates[0]:g}"


def cells() -> Iterator[Cell]:
    """Yield equal slices, one worse slice, and one that is also the smallest."""
    for slices, images, rate in product(SLICES, IMAGES, RATES):
        yield Cell("equal", (images,) * slices, (rate,) * slices)
        others = slices - 1
        if others:
            better = (rate, *[1 - (1 - rate) / 4] * others)
            yield Cell("one worse", (images,) * slices, better)
            yield Cell("one worse and small", (images, *[10 * images] * others), better)


@cache
def share(hits: int, n: int) -> Quantity:
    """Return an accuracy as it is measured on a slice."""
    return Quantity(hits / n, "fraction", n, share_curve(hits, n))


def measurement(cell: Cell, hits: NDArray[np.int64]) -> Measurement:
    """Return the accuracies of slices and their gaps, as a run measures them."""
    right = int(hits.sum())
    total = sum(cell.images)
    slices = [share(k, n) for k, n in zip(hits.tolist(), cell.images, strict=True)]
    values = SliceValues(
        {f"s={number}": one for number, one in enumerate(slices)},
        {
            f"s={number}": gap(one, share(right - k, total - n), "high")
            for number, (one, k, n) in enumerate(zip(slices, hits.tolist(), cell.images, strict=True))
            if n < total
        },
    )
    return replace(Measurement.of("accuracy", share(right, total)), slices={"s": values})


def demand(kind: str, threshold: float) -> Demand:
    """Return a demand on the worst slice or the largest gap."""
    number = Part("", "fraction", "high", "")
    request = Request("accuracy", number, slice="s", kind="worst" if kind == "worst" else "gap")
    return Demand(request, "min" if kind == "worst" else "max", threshold, "block", False, "x", 1)


def verdicts(cell: Cell, draws: int, rng: np.random.Generator) -> Counter[tuple[str, str]]:
    """Return by demand and policy how many sets pass; under `allow`, how many fail."""
    counts = Counter[tuple[str, str]]()
    demands = {"worst": demand("worst", cell.rates[0])}
    if len(cell.images) > 1:
        demands["gap"] = demand("gap", cell.true_gap)
    for hits in rng.binomial(cell.images, cell.rates, (draws, len(cell.images))):
        measured = measurement(cell, hits)
        for kind, bounded in demands.items():
            for policy in (POINT, FAIL, ALLOW):
                counts[kind, policy.uncertain] += is_wrong(bounded, measured, policy)
    return counts


@dataclass(frozen=True)
class DropCell:
    """Classes of a baseline with a recall of 0.9, and the answers that they lose and gain.

    Attributes:
        classes: number of classes.
        images: number of images of each.
        lost: share of the images of the first class whose answer is lost.
        gained: share of images of any class whose answer is gained.
        is_alone: other classes lose as much as they gain.
    """

    classes: int
    images: int
    lost: float
    gained: float
    is_alone: bool

    def draw(self, draws: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return (D, classes, 3) numbers of answers that stay right, are lost, and gained."""
        lost = np.full(self.classes, self.gained if self.is_alone else self.lost)
        lost[0] = self.lost
        rates = [[RIGHT - one, one, self.gained, 1 - RIGHT - self.gained] for one in lost.tolist()]
        return rng.multinomial(self.images, rates, (draws, self.classes))[..., :3]

    def runs(self, kept: int, lost: int, gained: int) -> tuple[Quantity, Quantity]:
        """Return the recall of a class before and after; other classes follow its images."""
        image = np.arange(self.images)
        n = self.images * self.classes
        before = image < kept + lost
        quantities = []
        for right in (before, (image < kept) | (image >= kept + lost) & (image < kept + lost + gained)):
            influences = np.zeros(n)
            influences[: self.images] = (right - right.mean()) * self.classes
            limits = share_curve(int(right.sum()), self.images)
            quantities.append(
                Quantity(float(right.mean()), "fraction", self.images, limits, influences={CLEAN: influences})
            )
        return quantities[0], quantities[1]

    def __str__(self) -> str:
        kind = "one loses" if self.is_alone else "all lose"
        return f"{self.classes} classes of {self.images} images, {kind} {self.lost:g}, {self.gained:g} gained"


def run_value(named: Sequence[tuple[str, Quantity]]) -> RunValue:
    """Return the recall of the worst class, with that of each class."""
    return RunValue(min((one.value for _, one in named), default=0.0), classes=lambda: named)


def as_drop(evidence: Drop | Unmeasurable) -> Drop:
    """Return a drop; raise an error if there is none."""
    if isinstance(evidence, Unmeasurable):
        raise TypeError(evidence.reason)
    return evidence


def class_drops(cell: DropCell, draws: int, rng: np.random.Generator) -> tuple[int, int]:
    """Return the numbers of sets that `fail` passes, and that `allow` fails."""
    recall = Request("classes", CLASS_NUMBERS["recall"], EACH)
    bounded = Demand(recall, "max_drop", cell.lost - cell.gained, "block", False, "x", 1)

    @cache
    def of_class(kept: int, lost: int, gained: int) -> Drop:
        before, after = (run_value(()).of_class(one) for one in cell.runs(kept, lost, gained))
        return as_drop(drop("b", recall, before, after, relative=False))

    passed = 0
    failed = 0
    for number, sample in enumerate(cell.draw(draws, rng).tolist()):
        drops = {str(k): of_class(*counts) for k, counts in enumerate(sample)}
        worst = worst_of(drops, "low")
        judged = replace(max(drops.values(), key=lambda one: one.value), curve=worst.curve)
        if not number:
            runs = zip(*(cell.runs(*counts) for counts in sample), strict=True)
            of_both = (run_value(list(zip(drops, run, strict=True))) for run in runs)
            expected = as_drop(largest_drop(bounded, "b", *of_both))
            np.testing.assert_equal((expected.value, expected.curve), (judged.value, judged.curve))
        passed += decide(bounded, judged, FAIL).outcome == "pass"
        failed += decide(bounded, judged, ALLOW).outcome == "fail"
    return passed, failed


def largest_drops(draws: int, rng: np.random.Generator) -> list[str]:
    """Return the cells of drops in which `fail` or `allow` is wrong too often."""
    print(f"{draws:,} sets a cell, whose largest drop is the bound: wrong under fail, under allow")
    wrong: dict[str, int] = {}
    for classes, images, (lost, gained), is_alone in product((3, 10, 30), (50, 200), FLIPS, (True, False)):
        cell = DropCell(classes, images, lost, gained, is_alone)
        passed, failed = class_drops(cell, draws, rng)
        wrong |= {f"{cell}: fail": passed, f"{cell}: allow": failed}
        print(f"  {cell!s:<64}{passed / draws:7.2%}{failed / draws:8.2%}", flush=True)
    return print_summary("largest drops: most wrong verdicts", wrong, draws, ERROR, above=True)


def main() -> int:
    given, rng = read_options(__doc__, 1000, "sets of a cell", flags=("--drops",))
    if given.drops:
        return 1 if largest_drops(given.drops, rng) else 0
    wrong: dict[str, int] = {}
    one_sided = []
    print(
        f"{given.draws:,} sets a cell; wrong: a bound that is just missed passes, one that is just met fails"
    )
    print(f"{'':<58}{'fail: wrong':>12}{'allow: wrong':>13}{'point: passes':>14}")
    for cell in cells():
        counts = verdicts(cell, given.draws, rng)
        for kind in ("worst", "gap") if len(cell.images) > 1 else ("worst",):
            name = f"{kind} of {cell}"
            wrong |= {f"{name}, {policy}": counts[kind, policy] for policy in ("fail", "allow")}
            fail, allow, point = (counts[kind, policy] / given.draws for policy in ("fail", "allow", "point"))
            print(f"  {name:<56}{fail:12.1%}{allow:13.1%}{point:14.1%}", flush=True)
            if cell.is_alone and kind == "worst" and not LEAST_PASSED <= point <= MOST_PASSED:
                one_sided.append(f"{name}: point passes {point:.1%}")
    often = print_summary("most wrong verdicts:", wrong, given.draws, MOST_WRONG, above=True)
    print(f"point is not even: {len(one_sided)}", *one_sided, sep="\n  ")
    return 1 if often or one_sided else 0


if __name__ == "__main__":
    sys.exit(main())
