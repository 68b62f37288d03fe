"""Wrong verdicts on decided groups, class × slice cells, gaps of grouped images, and chosen thresholds.

Each kind draws sets whose true value lies at the bound. `fail` must not pass such a set, and `allow` must not
fail it. A threshold that is chosen on another set is judged by its own true value: intervals hold for it.

Fewer than ten groups are drawn 20,000 times a cell. Decided ones have exact limits; the accuracy of images in
groups has none, so that `fail` passes nothing and `allow` fails nothing. Equal samples are measured once.

python benchmarks/condition_coverage.py                1,000 sets a kind (1 minute)
python benchmarks/condition_coverage.py --draws 0      fewer than ten groups alone
python benchmarks/condition_coverage.py --draws 200    faster, less certain

The exit code is 1 if `fail` or `allow` is wrong in significantly more than 3.5 % of the sets of a kind
(binomial test, 1 % over all kinds), or of fewer than ten groups in significantly more than 2.5 %.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from simulated import ALLOW, FAIL, MOST_WRONG, is_wrong, print_summary, read_options

from quba_check.core.facts import DecidedSet, Facts, ModelFacts, SuiteFacts
from quba_check.core.predictions import Predictions, SliceColumn
from quba_check.core.request import CLASS_NUMBERS, EACH, OperatingPoint, Part, Request
from quba_check.core.view import CLEAN, CORRUPTIONS, SEVERITIES, View
from quba_check.demands import Demand
from quba_check.dimensions import measure_dimension, registry
from quba_check.metrics.class_metrics import threshold_at

MANY = 400_000
NAMES = ("a", "b", "c")
FEW_GROUPS = (2, 3, 5, 7, 9)
FEW_RATES = (0.3, 0.5, 0.8, 0.9, 0.99)
FEW_DRAWS = 20_000
ERROR = 0.025
SIZE = 4
ACCURACY = Part("", "fraction", "high", "")
RECALL = CLASS_NUMBERS["recall"]
OTHER = View("other", columns="probabilities")
Sample = tuple[Mapping[View, Predictions], float]
"""The predictions of a set, and the true value of the demanded number."""


@dataclass(frozen=True)
class Kind:
    """A demanded number and its sets.

    Attributes:
        name: its name.
        request: the number.
        draw: draws a set.
        decided: the decided set, if there is one.
    """

    name: str
    request: Request
    draw: Callable[[np.random.Generator], Sample]
    decided: DecidedSet | None = None


def table(
    label: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    group: NDArray[np.int64] | None = None,
    slices: NDArray[np.intp] | None = None,
) -> Predictions:
    """Return predictions with a column of slices."""
    stored = probabilities.astype(np.float32)
    n = len(label)
    predicted = stored.argmax(axis=1)
    rows = np.arange(n)
    columns = {}
    if slices is not None:
        columns["s"] = SliceColumn(tuple(f"s={k}" for k in range(slices.max() + 1)), slices)
    top = stored[rows, predicted]
    own = stored[rows, label]
    return Predictions(rows, label, predicted, top, own, stored, group=group, slices=columns)


def answers(correct: NDArray[np.bool_], label: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return probabilities that are highest for the label, or for the next class."""
    rows = np.full((len(label), len(NAMES)), 0.1)
    rows[np.arange(len(label)), np.where(correct, label, (label + 1) % len(NAMES))] = 0.8
    return rows


def patient_scores(
    size: int, count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return labels of patients, and the scores of their images, which share a shift."""
    label = rng.integers(2, size=count)
    signal = rng.normal(1.0, 1.0, count)[:, None] + rng.normal(0.0, 1.5, (count, size))
    high = expit(signal)
    return label, np.where(label[:, None] == 0, high, 1 - high)


@cache
def accuracy_of_patients(size: int) -> float:
    """Return the share of patients whose mean probability is right."""
    label, high = patient_scores(size, MANY, np.random.default_rng(1))
    return float(((high.mean(axis=1) < 0.5) == label).mean())


def patients(groups: int, size: int, rng: np.random.Generator) -> Sample:
    """Images of a patient share a shift of their scores; the mean probability decides."""
    label, high = patient_scores(size, groups, rng)
    rows = np.repeat(label, size)
    flat = high.ravel()
    probabilities = np.stack([flat, 1 - flat, 0 * flat], axis=1)
    group = np.repeat(np.arange(groups), size)
    return {CLEAN: table(rows, probabilities, group)}, accuracy_of_patients(size)


def cells(images: int, slices: int, rate: float, rng: np.random.Generator) -> Sample:
    """All cells of class and slice have the same recall."""
    n = images * slices * len(NAMES)
    label = np.arange(n) % len(NAMES)
    place = np.arange(n) // len(NAMES) % slices
    return {CLEAN: table(label, answers(rng.random(n) < rate, label), None, place)}, rate


def spanning(groups: int, size: int, gap: float, rng: np.random.Generator) -> Sample:
    """Groups have images in the slice and in the rest, with a common rate."""
    group = np.repeat(np.arange(groups), size)
    place = rng.integers(2, size=groups * size)
    rate = np.repeat(rng.beta(3, 1, groups) * (1 - gap) + gap, size) - gap * (place == 0)
    label = rng.integers(len(NAMES), size=len(group))
    return {CLEAN: table(label, answers(rng.random(len(group)) < rate, label), group, place)}, gap


def severities(images: int, rng: np.random.Generator) -> Sample:
    """The five versions of an image are right together more often than not."""
    label = rng.integers(len(NAMES), size=images)
    rate = rng.beta(2, 1, images)
    views = [View("corruptions", corruption="fog", severity=one) for one in SEVERITIES]
    tables = {view: table(label, answers(rng.random(images) < rate, label)) for view in views}
    return {CLEAN: table(label, answers(rng.random(images) < 0.9, label)), **tables}, 2 / 3


def binary(n: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return labels and probabilities of two classes."""
    label = (rng.random(n) >= 0.3).astype(np.int64)
    high = expit(rng.normal(np.where(label == 0, 1.0, -1.0), 1.5))
    return label, np.stack([high, 1 - high, 0 * high], axis=1)


@cache
def scores_of_the_class() -> NDArray[np.float32]:
    """Return the scores of very many images of the class."""
    label, many = binary(MANY, np.random.default_rng(1))
    return many[label == 0, 0].astype(np.float32)


def chosen(images: int, rng: np.random.Generator) -> Sample:
    """A threshold has a precision of 0.8 on another set; the recall at this threshold is judged."""
    label, probabilities = binary(images, rng)
    tables = {CLEAN: table(label, probabilities), OTHER: table(*binary(images, rng))}
    scores = tables[OTHER].probabilities[:, 0]  # type: ignore[index]  # the table has them
    threshold = threshold_at("precision", 0.8, scores, tables[OTHER].label == 0)
    return tables, float((scores_of_the_class() >= np.float32(threshold)).mean())


def kinds() -> Iterator[Kind]:
    """Yield the kinds of demands."""
    accuracy = Request("accuracy", ACCURACY, set="patients")
    decided = DecidedSet("clean", "mean")
    for groups, size in ((40, 4), (200, 4), (200, 12)):
        name = f"accuracy of {groups} patients with {size} images"
        yield Kind(name, accuracy, partial(patients, groups, size), decided)
    worst = Request("classes", RECALL, EACH, slice="s", kind="worst")
    for images, slices, rate in ((60, 4, 0.9), (200, 10, 0.9), (60, 10, 0.5)):
        name = f"worst of {len(NAMES)} × {slices} cells of {images} images at {rate:g}"
        yield Kind(name, worst, partial(cells, images, slices, rate))
    gap = Request("classes", RECALL, "a", (0,), slice="s", kind="gap")
    for groups, size in ((40, 8), (150, 8)):
        name = f"gap of {groups} groups of {size} images that span it"
        yield Kind(name, gap, partial(spanning, groups, size, 0.1))
    under_fog = Request("accuracy", ACCURACY, set="fog")
    for images in (100, 1000):
        yield Kind(
            f"accuracy of {images} images under five severities", under_fog, partial(severities, images)
        )
    recall = Request("classes", RECALL, "a", (0,), at=OperatingPoint("precision", 0.8, "other"))
    for images in (300, 2000):
        name = f"recall of {images} images at a threshold chosen on as many others"
        yield Kind(name, recall, partial(chosen, images))


def judge_of(kind: Kind) -> Callable[[Mapping[View, Predictions], float], tuple[bool, bool]]:
    """Return a function of a set and its true value: if `fail` passes it there, and if `allow` fails it."""
    suite = SuiteFacts(
        "simulated",
        len(NAMES),
        (),
        CORRUPTIONS,
        {"clean": None},
        class_names=NAMES,
        other=("other",),
        requests=(kind.request,),
        decided={} if kind.decided is None else {"patients": kind.decided},
        slices=("s",),
    )
    dimension = registry[kind.request.dimension]
    facts = Facts(suite, ModelFacts(1, 1), with_tables=False)
    bound = "max" if kind.request.better == "low" else "min"

    def judge(tables: Mapping[View, Predictions], truth: float) -> tuple[bool, bool]:
        measured = measure_dimension(dimension, tables, facts)
        demand = Demand(kind.request, bound, truth, "block", False, "x", 1, min_images=20, min_groups=10)
        return is_wrong(demand, measured, FAIL), is_wrong(demand, measured, ALLOW)

    return judge


def verdicts(kind: Kind, draws: int, rng: np.random.Generator) -> tuple[int, int]:
    """Return the numbers of sets that `fail` passes, and that `allow` fails."""
    judge = judge_of(kind)
    passed = 0
    failed = 0
    for _ in range(draws):
        wrong_pass, wrong_block = judge(*kind.draw(rng))
        passed += wrong_pass
        failed += wrong_block
    return passed, failed


def few_groups(rng: np.random.Generator) -> list[str]:
    """Return the cells of fewer than ten groups in which `fail` or `allow` is wrong too often."""
    print(f"fewer than ten groups of {SIZE} images, {FEW_DRAWS:,} draws a cell")
    decided = Kind(
        "decided", Request("accuracy", ACCURACY, set="patients"), patients, DecidedSet("clean", "mean")
    )
    images = Kind("images in", Request("accuracy", ACCURACY), patients)
    wrong: dict[str, int] = {}
    for kind, groups, rate in product((decided, images), FEW_GROUPS, FEW_RATES):
        judge = judge_of(kind)
        group = np.repeat(np.arange(groups), SIZE)
        if kind is decided:
            hits = SIZE * np.sort(rng.random((FEW_DRAWS, groups)) < rate, axis=1).astype(np.int64)
        else:
            hits = np.sort(rng.binomial(SIZE, rng.beta(rate, 1 - rate, (FEW_DRAWS, groups))), axis=1)
        passed = 0
        failed = 0
        for own, times in zip(*np.unique(hits, axis=0, return_counts=True), strict=True):
            label = np.zeros(len(group), np.int64)
            right = np.arange(len(group)) % SIZE < own[group]
            wrong_pass, wrong_block = judge({CLEAN: table(label, answers(right, label), group)}, rate)
            passed += int(times) * wrong_pass
            failed += int(times) * wrong_block
        name = f"{kind.name} {groups} groups at {rate:g}"
        wrong[f"{name}, fail"] = passed
        wrong[f"{name}, allow"] = failed
        print(f"  {name:<64}{passed / FEW_DRAWS:12.2%}{failed / FEW_DRAWS:13.2%}", flush=True)
    return print_summary("fewer than ten groups: most wrong verdicts", wrong, FEW_DRAWS, ERROR, above=True)


def main() -> int:
    given, rng = read_options(__doc__, 1000, "sets of a kind")
    often = few_groups(rng)
    if not given.draws:
        return 1 if often else 0
    wrong: dict[str, int] = {}
    print(f"{given.draws:,} sets a kind, whose true value is the bound")
    print(f"{'':<66}{'fail: wrong':>12}{'allow: wrong':>13}")
    for kind in kinds():
        passed, failed = verdicts(kind, given.draws, rng)
        wrong[f"{kind.name}, fail"] = passed
        wrong[f"{kind.name}, allow"] = failed
        print(f"  {kind.name:<64}{passed / given.draws:12.1%}{failed / given.draws:13.1%}", flush=True)
    often += print_summary("most wrong verdicts:", wrong, given.draws, MOST_WRONG, above=True)
    return 1 if often else 0


if __name__ == "__main__":
    sys.exit(main())
