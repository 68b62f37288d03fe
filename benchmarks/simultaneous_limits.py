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

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from quba_check.core.measurement import Measurement, Quantity, SliceValues
from quba_check.core.request import Part, Request
from quba_check.demands import Demand
from quba_check.demands.demand import POINT, Policy
from quba_check.dimensions._ratios import share_curve
from quba_check.dimensions._slices import gap
from quba_check.verdicts import decide
from quba_check.verdicts.evidence import evidence_of

MOST_WRONG, LEVEL = 0.035, 0.01
LEAST_PASSED, MOST_PASSED, ALONE = 0.35, 0.65, 0.99
SLICES, IMAGES, RATES = (1, 5, 30), (50, 500), (0.5, 0.9, 0.99)
FAIL, ALLOW = Policy("fail", 0.95), Policy("allow", 0.95)


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
    for slices in SLICES:
        for images in IMAGES:
            for rate in RATES:
                others = slices - 1
                yield Cell("equal", (images,) * slices, (rate,) * slices)
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


def passes(cell: Cell, draws: int, rng: np.random.Generator) -> tuple[Counter[str], Counter[str]]:
    """Return the sets that pass and the sets that fail, by demand and policy."""
    passed, failed = Counter[str](), Counter[str]()
    demands = {"worst": demand("worst", cell.rates[0])}
    if len(cell.images) > 1:
        demands["gap"] = demand("gap", cell.true_gap)
    for hits in rng.binomial(cell.images, cell.rates, (draws, len(cell.images))):
        measured = measurement(cell, hits)
        for kind, bounded in demands.items():
            for policy in (POINT, FAIL, ALLOW):
                outcome = decide(bounded, evidence_of(bounded, measured), policy).outcome
                passed[f"{kind} {policy.uncertain}"] += outcome == "pass"
                failed[f"{kind} {policy.uncertain}"] += outcome == "fail"
    return passed, failed


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--draws", type=int, default=1000, help="sets of a cell (default 1,000)")
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    rng = np.random.default_rng(given.seed)
    wrong: dict[str, int] = {}
    one_sided = []
    print(
        f"{given.draws:,} sets a cell; wrong: a bound that is just missed passes, one that is just met fails"
    )
    print(f"{'':<58}{'fail: wrong':>12}{'allow: wrong':>13}{'point: passes':>14}")
    for cell in cells():
        passed, failed = passes(cell, given.draws, rng)
        for kind in ("worst", "gap") if len(cell.images) > 1 else ("worst",):
            name = f"{kind} of {cell}"
            wrong[f"{name}, fail"], wrong[f"{name}, allow"] = passed[f"{kind} fail"], failed[f"{kind} allow"]
            share_passed = passed[f"{kind} point"] / given.draws
            rates = (
                wrong[f"{name}, fail"] / given.draws,
                wrong[f"{name}, allow"] / given.draws,
                share_passed,
            )
            print(f"  {name:<56}{rates[0]:12.1%}{rates[1]:13.1%}{rates[2]:14.1%}", flush=True)
            if cell.is_alone and kind == "worst" and not LEAST_PASSED <= share_passed <= MOST_PASSED:
                one_sided.append(f"{name}: point passes {share_passed:.1%}")
    often = [
        f"{name}: {count / given.draws:.1%}"
        for name, count in wrong.items()
        if binom.sf(count - 1, given.draws, MOST_WRONG) < LEVEL / len(wrong)
    ]
    print(f"\nmost wrong verdicts: {max(wrong.values()) / given.draws:.1%}")
    print(f"significantly above {MOST_WRONG:.1%}: {len(often)} of {len(wrong)}", *often, sep="\n  ")
    print(f"point is not even: {len(one_sided)}", *one_sided, sep="\n  ")
    return 1 if often or one_sided else 0


if __name__ == "__main__":
    sys.exit(main())
