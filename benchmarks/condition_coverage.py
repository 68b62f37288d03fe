"""Wrong verdicts on decided groups, class × slice cells, gaps of grouped images, and chosen thresholds.

Each kind draws sets whose true value lies at the bound. `fail` must not pass such a set, and `allow` must not
fail it. A threshold that is chosen on another set is judged by its own true value: intervals hold for it.

python benchmarks/condition_coverage.py                1,000 sets a kind (1 minute)
python benchmarks/condition_coverage.py --draws 200    faster, less certain

The exit code is 1 if `fail` or `allow` is wrong in significantly more than 3.5 % of the sets of a kind
(binomial test, 1 % over all kinds).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import binom

from quba_check.core.facts import DecidedSet, Facts, ModelFacts, SuiteFacts
from quba_check.core.predictions import Predictions, SliceColumn
from quba_check.core.request import CLASS_NUMBERS, EACH, OperatingPoint, Part, Request
from quba_check.core.view import CLEAN, CORRUPTIONS, SEVERITIES, View
from quba_check.demands import Demand
from quba_check.demands.demand import Policy
from quba_check.dimensions import measure_dimension, registry
from quba_check.verdicts import decide
from quba_check.verdicts.evidence import evidence_of

MOST_WRONG, LEVEL, MANY = 0.035, 0.01, 400_000
POLICIES = Policy("fail", 0.95), Policy("allow", 0.95)
NAMES = ("a", "b", "c")
ACCURACY, RECALL = Part("", "fraction", "high", ""), CLASS_NUMBERS["recall"]
OTHER = View("other", columns="probabilities")
Draw = Callable[[np.random.Generator], tuple[Mapping[View, Predictions], float]]
"""Draws the predictions of a set, and the true value of the demanded number."""


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
    draw: Draw
    decided: DecidedSet | None = None


def table(
    label: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    group: NDArray[np.int64] | None = None,
    slices: NDArray[np.intp] | None = None,
) -> Predictions:
    """Return predictions with a column of slices."""
    stored, n = probabilities.astype(np.float32), len(label)
    predicted, rows = stored.argmax(axis=1), np.arange(n)
    columns = {}
    if slices is not None:
        columns["s"] = SliceColumn(tuple(f"s={k}" for k in range(slices.max() + 1)), slices)
    top, own = stored[rows, predicted], stored[rows, label]
    return Predictions(rows, label, predicted, top, own, stored, group=group, slices=columns)


def answers(correct: NDArray[np.bool_], label: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return probabilities that are highest for the label, or for the next class."""
    rows = np.full((len(label), len(NAMES)), 0.1)
    rows[np.arange(len(label)), np.where(correct, label, (label + 1) % len(NAMES))] = 0.8
    return rows


def patients(groups: int, size: int) -> Draw:
    """Images of a patient share a shift of their scores; the mean probability decides."""

    def scores(rng: np.random.Generator, count: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        label = rng.integers(2, size=count)
        signal = rng.normal(1.0, 1.0, count)[:, None] + rng.normal(0.0, 1.5, (count, size))
        high = expit(signal)
        return label, np.where(label[:, None] == 0, high, 1 - high)

    label, high = scores(np.random.default_rng(1), MANY)
    truth = float(((high.mean(axis=1) < 0.5) == label).mean())

    def draw(rng: np.random.Generator) -> tuple[Mapping[View, Predictions], float]:
        label, high = scores(rng, groups)
        rows, flat = np.repeat(label, size), high.ravel()
        probabilities = np.stack([flat, 1 - flat, 0 * flat], axis=1)
        return {CLEAN: table(rows, probabilities, np.repeat(np.arange(groups), size))}, truth

    return draw


def cells(images: int, slices: int, rate: float) -> Draw:
    """All cells of class and slice have the same recall."""

    def draw(rng: np.random.Generator) -> tuple[Mapping[View, Predictions], float]:
        n = images * slices * len(NAMES)
        label, place = np.arange(n) % len(NAMES), np.arange(n) // len(NAMES) % slices
        return {CLEAN: table(label, answers(rng.random(n) < rate, label), None, place)}, rate

    return draw


def spanning(groups: int, size: int, gap: float) -> Draw:
    """Groups have images in the slice and in the rest, with a common rate."""

    def draw(rng: np.random.Generator) -> tuple[Mapping[View, Predictions], float]:
        group = np.repeat(np.arange(groups), size)
        place = rng.integers(2, size=groups * size)
        rate = np.repeat(rng.beta(3, 1, groups) * (1 - gap) + gap, size) - gap * (place == 0)
        label = rng.integers(len(NAMES), size=len(group))
        return {CLEAN: table(label, answers(rng.random(len(group)) < rate, label), group, place)}, gap

    return draw


def severities(images: int) -> Draw:
    """The five versions of an image are right together more often than not."""

    def draw(rng: np.random.Generator) -> tuple[Mapping[View, Predictions], float]:
        label, rate = rng.integers(len(NAMES), size=images), rng.beta(2, 1, images)
        views = [View("corruptions", corruption="fog", severity=one) for one in SEVERITIES]
        tables = {view: table(label, answers(rng.random(images) < rate, label)) for view in views}
        return {CLEAN: table(label, answers(rng.random(images) < 0.9, label)), **tables}, 2 / 3

    return draw


def chosen(images: int) -> Draw:
    """A threshold has a precision of 0.8 on another set; the recall at this threshold is judged."""

    def binary(rng: np.random.Generator, n: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        label = (rng.random(n) >= 0.3).astype(np.int64)
        high = expit(rng.normal(np.where(label == 0, 1.0, -1.0), 1.5))
        return label, np.stack([high, 1 - high, 0 * high], axis=1)

    label, many = binary(np.random.default_rng(1), MANY)
    own = np.sort(many[label == 0, 0].astype(np.float32))

    def draw(rng: np.random.Generator) -> tuple[Mapping[View, Predictions], float]:
        from quba_check.metrics.class_metrics import threshold_at

        tables = {CLEAN: table(*binary(rng, images)), OTHER: table(*binary(rng, images))}
        scores = tables[OTHER].probabilities[:, 0]  # type: ignore[index]  # the table has them
        threshold = threshold_at("precision", 0.8, scores, tables[OTHER].label == 0)
        return tables, float((own >= np.float32(threshold)).mean())

    return draw


def kinds() -> tuple[Kind, ...]:
    """Return the kinds of demands."""
    accuracy = Request("accuracy", ACCURACY, set="patients")
    each = Request("classes", RECALL, EACH, slice="s", kind="worst")
    gap = Request("classes", RECALL, "a", (0,), slice="s", kind="gap")
    at = OperatingPoint("precision", 0.8, "other")
    return (
        *(
            Kind(
                f"accuracy of {groups} patients with {size} images",
                accuracy,
                patients(groups, size),
                DecidedSet("clean", "mean"),
            )
            for groups, size in ((40, 4), (200, 4), (200, 12))
        ),
        *(
            Kind(
                f"worst of {len(NAMES)} × {slices} cells of {images} images at {rate:g}",
                each,
                cells(images, slices, rate),
            )
            for images, slices, rate in ((60, 4, 0.9), (200, 10, 0.9), (60, 10, 0.5))
        ),
        *(
            Kind(f"gap of {groups} groups of {size} images that span it", gap, spanning(groups, size, 0.1))
            for groups, size in ((40, 8), (150, 8))
        ),
        *(
            Kind(
                f"accuracy of {images} images under five severities",
                Request("accuracy", ACCURACY, set="fog"),
                severities(images),
            )
            for images in (100, 1000)
        ),
        *(
            Kind(
                f"recall of {images} images at a threshold chosen on as many others",
                Request("classes", RECALL, "a", (0,), at=at),
                chosen(images),
            )
            for images in (300, 2000)
        ),
    )


def verdicts(kind: Kind, draws: int, rng: np.random.Generator) -> tuple[int, int]:
    """Return the numbers of sets that `fail` passes, and that `allow` fails."""
    decided = {} if kind.decided is None else {"patients": kind.decided}
    suite = SuiteFacts(
        "simulated",
        len(NAMES),
        (),
        CORRUPTIONS,
        {"clean": None},
        class_names=NAMES,
        other=("other",),
        requests=(kind.request,),
        decided=decided,
        slices=("s",),
    )
    dimension, facts = registry[kind.request.dimension], Facts(suite, ModelFacts(1, 1), with_tables=False)
    bound, wrong = ("max" if kind.request.better == "low" else "min"), [0, 0]
    for _ in range(draws):
        tables, truth = kind.draw(rng)
        views = {
            replace(view, columns="top1" if view.corruption else view.columns): one
            for view, one in tables.items()
        }
        measured = measure_dimension(dimension, views, facts)
        demand = Demand(kind.request, bound, truth, "block", False, "x", 1, min_images=20, min_groups=10)
        for number, policy in enumerate(POLICIES):
            outcome = decide(demand, evidence_of(demand, measured), policy).outcome
            wrong[number] += outcome == ("pass" if policy.uncertain == "fail" else "fail")
    return wrong[0], wrong[1]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--draws", type=int, default=1000, help="sets of a kind (default 1,000)")
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    rng, wrong = np.random.default_rng(given.seed), dict[str, int]()
    print(f"{given.draws:,} sets a kind, whose true value is the bound")
    print(f"{'':<66}{'fail: wrong':>12}{'allow: wrong':>13}")
    for kind in kinds():
        passed, failed = verdicts(kind, given.draws, rng)
        wrong[f"{kind.name}, fail"], wrong[f"{kind.name}, allow"] = passed, failed
        print(f"  {kind.name:<64}{passed / given.draws:12.1%}{failed / given.draws:13.1%}", flush=True)
    often = [
        f"{name}: {count / given.draws:.1%}"
        for name, count in wrong.items()
        if binom.sf(count - 1, given.draws, MOST_WRONG) < LEVEL / len(wrong)
    ]
    print(f"\nmost wrong verdicts: {max(wrong.values()) / given.draws:.1%}")
    print(f"significantly above {MOST_WRONG:.1%}: {len(often)} of {len(wrong)}", *often, sep="\n  ")
    return 1 if often else 0


if __name__ == "__main__":
    sys.exit(main())
