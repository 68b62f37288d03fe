"""Wrong verdicts on the worst slice and the largest gap, in simulated sets.

In each cell the worst slice lies at the bound. The others are equal, or better and as large or larger.
`fail` must not pass such a set, and `allow` must not fail it. `point` decides by the measured value: it must
do both about as often if one slice alone is at the bound, so that hardly any other is measured below it.

python benchmarks/simultaneous_limits.py                1,000 sets a cell (2 minutes)
python benchmarks/simultaneous_limits.py --draws 200    faster, less certain

The exit code is 1 if `fail` or `allow` is wrong in significantly more than 3.5 % of the sets of a cell
(binomial test, 1 % over all cells), or if `point` passes less than 35 % or more than 65 % with one slice at
the bound.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom
from simulated import ALLOW, FAIL, MOST_WRONG, is_wrong, print_summary, read_options

from quba_check.core.measurement import Measurement, Quantity, SliceValues
from quba_check.core.request import Part, Request
from quba_check.demands import Demand
from quba_check.demands.demand import POINT
from quba_check.dimensions._ratios import share_curve
from quba_check.dimensions._slices import gap

LEAST_PASSED, MOST_PASSED, ALONE = 0.35, 0.65, 0.99
SLICES, IMAGES, RATES = (1, 5, 30), (50, 500), (0.5, 0.9, 0.99)


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
        n, rates = np.array(self.images[1:]), np.array(self.rates[1:])
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
        if others := slices - 1:
            better = (rate, *[1 - (1 - rate) / 4] * others)
            yield Cell("one worse", (images,) * slices, better)
            yield Cell("one worse and small", (images, *[10 * images] * others), better)


@cache
def share(hits: int, n: int) -> Quantity:
    """Return an accuracy as it is measured on a slice."""
    return Quantity(hits / n, "fraction", n, share_curve(hits, n))


def measurement(cell: Cell, hits: NDArray[np.int64]) -> Measurement:
    """Return the accuracies of slices and their gaps, as a run measures them."""
    right, total = int(hits.sum()), sum(cell.images)
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


def main() -> int:
    given, rng = read_options(__doc__, 1000, "sets of a cell")
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
