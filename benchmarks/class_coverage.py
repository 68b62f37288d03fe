"""Coverage of the intervals of single classes, of the worst class, and of the mean of all.

Each cell of the grid draws images of a class and of others, whose answers are right with a fixed rate. True
values follow from the rates, those of `each` from the rates of all classes. The worst class has one-sided
limits: both sides are counted apart, at 97.5 %.

python benchmarks/class_coverage.py                   1,000 draws a cell (3 minutes)
python benchmarks/class_coverage.py --draws 200       faster, less certain

The exit code is 1 if a cell covers significantly less than 93.5 %, or one side less than 96.75 % (binomial
test, 1 % over all cells).
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import binom

from quba_check.core.confidence import CONFIDENCE
from quba_check.core.facts import Facts, ModelFacts, SuiteFacts
from quba_check.core.measurement import Measurement, Quantity
from quba_check.core.predictions import Predictions
from quba_check.core.request import CLASS_NUMBERS, EACH, MACRO, Request
from quba_check.core.view import CLEAN
from quba_check.dimensions import registry

IMAGES, RATES = (50, 200, 2000), (0.5, 0.9, 0.99)
CLASSES, PREVALENCE = 10, 0.02
LEAST, LEAST_ONE_SIDED, LEVEL = 0.935, 0.9675, 0.01
ONE = tuple(
    Request("classes", CLASS_NUMBERS[metric], "a", (0,))
    for metric in ("recall", "specificity", "precision", "npv", "f1", "auroc")
)
CONFUSION = Request("classes", CLASS_NUMBERS["confusion"], "a", (0,), mistaken_for="b", others=(1,))
RESTATED = tuple(
    Request("classes", CLASS_NUMBERS[metric], "a", (0,), prevalence=PREVALENCE)
    for metric in ("precision", "npv")
)
OF_ALL = (
    Request("classes", CLASS_NUMBERS["recall"], MACRO, ()),
    Request("classes", CLASS_NUMBERS["precision"], MACRO, ()),
    Request("classes", CLASS_NUMBERS["f1"], MACRO, ()),
    Request("classes", CLASS_NUMBERS["recall"], EACH, ()),
    Request("classes", CLASS_NUMBERS["f1"], EACH, ()),
)


@dataclass(frozen=True)
class Sample:
    """A measurement of one sample, and the true value of each number."""

    measured: Measurement
    truth: dict[str, float]
    suffix: str = ""

    def covered(self) -> Iterator[str]:
        """Yield the numbers whose interval has the true value; of `each`, the sides of it."""
        for name, quantity in self.measured.parts.items():
            low, high = ends(quantity)
            is_above, is_below = low - 1e-9 <= self.truth[name], self.truth[name] <= high + 1e-9
            name += self.suffix
            if name.startswith(EACH):
                held = zip(sides(name), (is_above, is_below), strict=True)
                yield from (side for side, holds in held if holds)
            elif is_above and is_below:
                yield name


def sides(name: str) -> tuple[str, str]:
    """Return the names of the two limits of the worst class."""
    return f"{name}, lower limit", f"{name}, upper limit"


def ends(quantity: Quantity) -> tuple[float, float]:
    """Return the 95 % interval; nothing without one, which then covers nothing."""
    return (1.0, 0.0) if quantity.curve is None else quantity.curve.interval(CONFIDENCE)


def of_one_class(n: int, rate: float, rng: np.random.Generator) -> Sample:
    """Return a sample of n images of class 0 and n others of class 2, called 0, 1 or 2.

    A wrong answer on class 0 is 1 in half of the cases. The score of AUROC is normal, with the area as rate.
    """
    label = np.repeat([0, 2], n)
    right, other = rng.random(2 * n) < rate, rng.random(2 * n) < 0.5
    predicted = np.where(right, label, np.where(label == 0, np.where(other, 1, 2), 0))
    score = ndtr(rng.standard_normal(2 * n) + np.where(label == 0, np.sqrt(2) * ndtri(rate), 0.0))
    probabilities = np.stack([score, 1 - score, 0 * score], axis=1).astype(np.float32)
    p, q = PREVALENCE, 1 - PREVALENCE
    restated = p * rate / (p * rate + q * (1 - rate)), q * rate / (q * rate + p * (1 - rate))
    truth = {request.name: rate for request in ONE} | {CONFUSION.name: (1 - rate) / 2}
    truth |= {request.name: value for request, value in zip(RESTATED, restated, strict=True)}
    requests = (*ONE, CONFUSION, *RESTATED)
    return Sample(measured(label, predicted, requests, ("a", "b", "c"), probabilities), truth)


def of_all_classes(n: int, rate: float, rng: np.random.Generator, *, uneven: bool = False) -> Sample:
    """Return a sample of n images of ten classes, of which the first is worse.

    A wrong answer is the next class. Of uneven classes, the second one has half of the images.
    """
    label = np.arange(n) % CLASSES
    if uneven:
        label[: n // 2] = 1
    images = np.bincount(label, minlength=CLASSES)
    rates = np.full(CLASSES, rate)
    rates[0] = 0.9 * rate
    right = rng.random(n) < rates[label]
    predicted = np.where(right, label, (label + 1) % CLASSES)
    calls = images * rates + np.roll(images * (1 - rates), 1)
    f1 = 2 * images * rates / (images + calls)
    truth = {
        "macro.recall": rates.mean(),
        "macro.precision": (images * rates / calls).mean(),
        "macro.f1": f1.mean(),
        "each.recall": rates.min(),
        "each.f1": f1.min(),
    }
    sample = measured(label, predicted, OF_ALL, tuple("abcdefghij"))
    return Sample(sample, truth, ", uneven" if uneven else "")


def samples(n: int, rate: float, rng: np.random.Generator) -> tuple[Sample, ...]:
    """Return a sample of one class, one of ten classes, and one of ten uneven classes."""
    even, uneven = (of_all_classes(n, rate, rng, uneven=one) for one in (False, True))
    return of_one_class(n, rate, rng), even, uneven


def measured(
    label: NDArray[np.int64],
    predicted: NDArray[np.int64],
    requests: tuple[Request, ...],
    names: tuple[str, ...],
    probabilities: NDArray[np.float32] | None = None,
) -> Measurement:
    """Return the measurement of some answers."""
    n, half = len(label), np.full(len(label), 0.5, np.float32)
    table = Predictions(np.arange(n), label, predicted, half, half, probabilities)
    suite = SuiteFacts("simulated", len(names), (), (), {}, class_names=names, requests=requests)
    return registry["classes"].measure({CLEAN: table}, Facts(suite, ModelFacts(1, 1)))


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--draws", type=int, default=1000, help="draws of a cell (default 1,000)")
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    rng = np.random.default_rng(given.seed)
    print(f"{given.draws:,} draws a cell; coverage of 95 % intervals, and of one-sided 97.5 % limits")
    covered: dict[str, int] = {}
    least: dict[str, float] = {}
    for n, rate in product(IMAGES, RATES):
        counts, measurable = Counter[str](), Counter[str]()
        for _ in range(given.draws):
            for sample in samples(n, rate, rng):
                counts.update(sample.covered())
                measurable.update([f"{name}{sample.suffix}" for name in sample.measured.parts])
        print(f"\n{n:,} images, rate {rate:g}")
        names = [
            name
            for part in measurable
            for name in (sides(part) if part.startswith(EACH) else (part,))
            if measurable[part] == given.draws
        ]
        for name in names:
            key = f"{name}, {n} images, rate {rate:g}"
            covered[key], least[key] = counts[name], LEAST_ONE_SIDED if "limit" in name else LEAST
            print(f"  {name:<36}{counts[name] / given.draws:7.1%}", flush=True)
    short = [
        f"{key}: {count / given.draws:.1%}"
        for key, count in covered.items()
        if binom.cdf(count, given.draws, least[key]) < LEVEL / len(covered)
    ]
    two_sided = [count for key, count in covered.items() if least[key] == LEAST]
    print(f"\nlowest coverage of an interval: {min(two_sided) / given.draws:.1%}")
    print(f"significantly below {LEAST:.1%}: {len(short)} of {len(covered)}", *short, sep="\n  ")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
