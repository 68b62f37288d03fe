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

import sys
from collections import Counter
from collections.abc import Iterator
from itertools import compress, product

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from simulated import CLASSES, LEAST, Sample, read_options, significant

from quba_check.core.facts import Facts, ModelFacts, SuiteFacts
from quba_check.core.measurement import Measurement
from quba_check.core.predictions import Predictions
from quba_check.core.request import CLASS_NUMBERS, EACH, MACRO, Request
from quba_check.core.view import CLEAN
from quba_check.dimensions import registry

IMAGES = (50, 200, 2000)
RATES = (0.5, 0.9, 0.99)
PREVALENCE = 0.02
LEAST_ONE_SIDED = 0.9675
ONE = tuple(
    Request("classes", CLASS_NUMBERS[metric], "a", (0,))
    for metric in ("recall", "specificity", "precision", "npv", "f1", "auroc")
)
CONFUSION = Request("classes", CLASS_NUMBERS["confusion"], "a", (0,), mistaken_for="b", others=(1,))
RESTATED = tuple(
    Request("classes", CLASS_NUMBERS[metric], "a", (0,), prevalence=PREVALENCE)
    for metric in ("precision", "npv")
)
OF_ALL = tuple(
    Request("classes", CLASS_NUMBERS[metric], of, ())
    for of, metric in ((MACRO, "recall"), (MACRO, "precision"), (MACRO, "f1"), (EACH, "recall"), (EACH, "f1"))
)


def limits(name: str) -> tuple[str, ...]:
    """Return what is counted of a number: both limits of the worst class, else the interval."""
    return (f"{name}, lower limit", f"{name}, upper limit") if name.startswith(EACH) else (name,)


def covered(samples: dict[str, Sample]) -> Iterator[str]:
    """Yield the numbers whose interval has the true value; of `each`, the sides of it."""
    for name, sample in samples.items():
        counted = limits(name)
        yield from compress(counted, sample.sides if len(counted) > 1 else (all(sample.sides),))


def of_one_class(n: int, rate: float, rng: np.random.Generator) -> dict[str, Sample]:
    """Return a sample of n images of class 0 and n others of class 2, called 0, 1 or 2.

    A wrong answer on class 0 is 1 in half of the cases. The score of AUROC is normal, with the area as rate.
    """
    label = np.repeat([0, 2], n)
    right = rng.random(2 * n) < rate
    other = rng.random(2 * n) < 0.5
    predicted = np.where(right, label, np.where(label == 0, np.where(other, 1, 2), 0))
    score = ndtr(rng.standard_normal(2 * n) + np.where(label == 0, np.sqrt(2) * ndtri(rate), 0.0))
    probabilities = np.stack([score, 1 - score, 0 * score], axis=1).astype(np.float32)
    p = PREVALENCE
    q = 1 - PREVALENCE
    restated = p * rate / (p * rate + q * (1 - rate)), q * rate / (q * rate + p * (1 - rate))
    requests = (*ONE, CONFUSION, *RESTATED)
    truth = [rate] * len(ONE) + [(1 - rate) / 2, *restated]
    return with_truth(measured(label, predicted, requests, ("a", "b", "c"), probabilities), requests, truth)


def of_all_classes(
    n: int, rate: float, rng: np.random.Generator, *, uneven: bool = False
) -> dict[str, Sample]:
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
    truth = [rates.mean(), (images * rates / calls).mean(), f1.mean(), rates.min(), f1.min()]
    return with_truth(measured(label, predicted, OF_ALL, tuple("abcdefghij")), OF_ALL, truth)


def with_truth(
    measurement: Measurement, requests: tuple[Request, ...], truth: list[float]
) -> dict[str, Sample]:
    """Return the numbers of a measurement with their true values, which are in the order of the requests."""
    true = {request.name: value for request, value in zip(requests, truth, strict=True)}
    return {name: Sample.of(part, true[name]) for name, part in measurement.parts.items()}


def samples(n: int, rate: float, rng: np.random.Generator) -> dict[str, Sample]:
    """Return a sample of one class, one of ten classes, and one of ten uneven classes."""
    even, uneven = (of_all_classes(n, rate, rng, uneven=one) for one in (False, True))
    one = of_one_class(n, rate, rng)
    return one | even | {f"{name}, uneven": sample for name, sample in uneven.items()}


def measured(
    label: NDArray[np.int64],
    predicted: NDArray[np.int64],
    requests: tuple[Request, ...],
    names: tuple[str, ...],
    probabilities: NDArray[np.float32] | None = None,
) -> Measurement:
    """Return the measurement of some answers."""
    n = len(label)
    half = np.full(len(label), 0.5, np.float32)
    table = Predictions(np.arange(n), label, predicted, half, half, probabilities)
    suite = SuiteFacts("simulated", len(names), (), (), {}, class_names=names, requests=requests)
    return registry["classes"].measure({CLEAN: table}, Facts(suite, ModelFacts(1, 1)))


def main() -> int:
    given, rng = read_options(__doc__, 1000)
    print(f"{given.draws:,} draws a cell; coverage of 95 % intervals, and of one-sided 97.5 % limits")
    two_sided: dict[str, int] = {}
    one_sided: dict[str, int] = {}
    for n, rate in product(IMAGES, RATES):
        counts = Counter[str]()
        measurable = Counter[str]()
        for _ in range(given.draws):
            sample = samples(n, rate, rng)
            counts.update(covered(sample))
            measurable.update(list(sample))
        print(f"\n{n:,} images, rate {rate:g}")
        for part in (name for name, times in measurable.items() if times == given.draws):
            for name in limits(part):
                side = one_sided if part.startswith(EACH) else two_sided
                side[f"{name}, {n} images, rate {rate:g}"] = counts[name]
                print(f"  {name:<36}{counts[name] / given.draws:7.1%}", flush=True)
    tests = len(two_sided) + len(one_sided)
    short = significant(two_sided, given.draws, LEAST, tests)
    short += significant(one_sided, given.draws, LEAST_ONE_SIDED, tests)
    print(f"\nlowest coverage of an interval: {min(two_sided.values()) / given.draws:.1%}")
    print(f"significantly below {LEAST:.1%}: {len(short)} of {tests}", *short, sep="\n  ")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
