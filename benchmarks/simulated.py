"""Simulated models with known true values, and what simulations share: options, samples and their summary.

A model's answers come from its latent ability. An image keeps its difficulty when shifted. A model is right
if its ability on the set exceeds the difficulty plus private noise. Stated probabilities have another
temperature than the true ones.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.stats import binom

from quba_check.comparison.difference import RunValue, difference, ratio
from quba_check.core.confidence import CONFIDENCE, ConfidenceCurve
from quba_check.core.facts import Facts, ModelFacts, SuiteFacts
from quba_check.core.measurement import Measurement, Quantity
from quba_check.core.predictions import Predictions, Tables
from quba_check.core.view import CLEAN, CORRUPTIONS, FGSM, PGD, SEVERITIES, View
from quba_check.demands import Demand
from quba_check.demands.demand import Policy
from quba_check.dimensions import measure_dimension, registry
from quba_check.records.per_image import PerImage
from quba_check.verdicts import decide
from quba_check.verdicts.evidence import evidence_of

LEAST = 0.935
MOST_WRONG = 0.035
LEVEL = 0.01
"""Least coverage of 95 % intervals, most wrong verdicts, and the level of the test of all cells."""
CLASSES = 10
FAIL = Policy("fail", 0.95)
ALLOW = Policy("allow", 0.95)
Correct = NDArray[np.bool_]
SHIFTS = ("sketch", "night")
NOISE = 0.7
"""Standard deviation of the private noise; that of the difficulty is 1."""


@dataclass(frozen=True)
class Model:
    """A simulated model.

    Attributes:
        accuracy: true accuracies by view.
        classes: number of classes.
        spread: standard deviation of the ability over classes.
        temperature: true temperature; 1 is calibrated, above 1 is overconfident.
        by_shape: probability of a decision by shape on a cue-conflict image, and by texture.
    """

    accuracy: Mapping[View, float]
    classes: int
    spread: float
    temperature: float
    by_shape: tuple[float, float]

    @property
    def facts(self) -> Facts:
        suite = SuiteFacts("simulated", self.classes, SHIFTS, CORRUPTIONS, {})
        return Facts(suite, ModelFacts(1, 1))

    def draw(self, n: int, rng: np.random.Generator) -> dict[View, Predictions]:
        """Return predictions for n clean images, their shifted views, and n images of each other set."""
        clean = _Images.sample(n, self.classes, rng)
        tables = {}
        for view, accuracy in self.accuracy.items():
            is_clean = view.set in ("clean", "corruptions")
            images = clean if is_clean else _Images.sample(n, self.classes, rng)
            ability = special.ndtri(accuracy) * math.sqrt(1 + NOISE**2)
            right = ability - images.difficulty + NOISE * rng.standard_normal(n) > 0
            tables[view] = answers(images.label, right, self.classes, rng)
        tables[CLEAN] = self._with_probabilities(clean.label, rng)
        tables[PGD].extra["always_right"] = tables[PGD].correct
        tables[FGSM].extra["zero_gradient"] = np.zeros(n, bool)
        tables[View("cue_conflict")] = self._cues(n, rng)
        return tables

    def _with_probabilities(self, label: np.ndarray, rng: np.random.Generator) -> Predictions:
        """Return clean predictions whose true probabilities are a known function of the stated ones."""
        n = len(label)
        ability = self._abilities[label]
        logits = rng.standard_normal((n, self.classes))
        order = np.argsort(-logits, axis=1)
        sure = np.maximum(rng.normal(ability, 1.5, n), 0.1)
        logits[np.arange(n), order[:, 0]] = logits.max(axis=1) + sure
        true = special.softmax(logits / self.temperature, axis=1)
        stated = special.softmax(logits, axis=1).astype(np.float32)
        chosen = (np.cumsum(true, axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, self.classes - 1)
        # The label is sampled from the true probabilities; two classes are swapped to make it the given one.
        rows = np.arange(n)
        stated[rows, chosen], stated[rows, label] = stated[rows, label].copy(), stated[rows, chosen].copy()
        predicted = stated.argmax(axis=1)
        return Predictions(rows, label, predicted, stated.max(axis=1), stated[rows, label], stated)

    @property
    def _abilities(self) -> np.ndarray:
        return 2.2 + self.spread * special.ndtri((np.arange(self.classes) + 0.5) / self.classes)

    def _cues(self, n: int, rng: np.random.Generator) -> Predictions:
        shape = rng.integers(0, self.classes, n)
        texture = (shape + 1 + rng.integers(0, self.classes - 1, n)) % self.classes
        by_shape, by_texture = self.by_shape
        chance = rng.random(n)
        top1 = np.where(chance < by_shape, shape, np.where(chance < by_shape + by_texture, texture, -1))
        half = np.full(n, 0.5, np.float32)
        return Predictions(np.arange(n), shape, top1, half, half, extra={"texture": texture})


@dataclass(frozen=True)
class _Images:
    label: np.ndarray
    difficulty: np.ndarray

    @classmethod
    def sample(cls, n: int, classes: int, rng: np.random.Generator) -> _Images:
        """Return images with equally many of each class."""
        return cls(np.arange(n) % classes, rng.standard_normal(n))


def answers(label: np.ndarray, right: np.ndarray, classes: int, rng: np.random.Generator) -> Predictions:
    """Return predictions: the label if right, else another class."""
    other = (label + 1 + rng.integers(0, classes - 1, len(label))) % classes
    half = np.full(len(label), 0.5, np.float32)
    return Predictions(np.arange(len(label)), label, np.where(right, label, other), half, half, extra={})


def tables(correct: Mapping[View, Correct], group: NDArray[np.int64] | None = None) -> Tables:
    """Return predictions of ten classes that are correct or not; no image has a zero gradient."""

    def table(right: Correct) -> Predictions:
        n = len(right)
        table = answers(np.arange(n) % CLASSES, right, CLASSES, np.random.default_rng(0))
        table.extra.update(always_right=right, zero_gradient=np.zeros(n, bool))
        return replace(table, group=group)

    return {view: table(right) for view, right in correct.items()}


def measure(dimension: str, predictions: Tables) -> Measurement:
    """Return a dimension of predictions of ten classes."""
    suite = SuiteFacts("simulated", CLASSES, (), CORRUPTIONS, {})
    return measure_dimension(registry[dimension], predictions, Facts(suite, ModelFacts(1, 1)))


@dataclass(frozen=True)
class Sample:
    """A quantity of one sample, and its true value."""

    truth: float
    value: float
    curve: ConfidenceCurve | None

    @classmethod
    def of(cls, quantity: Quantity, truth: float) -> Sample:
        """Return a measured quantity with its true value."""
        return cls(truth, quantity.value, quantity.curve)

    @classmethod
    def of_drop(
        cls,
        before: Measurement,
        after: Measurement,
        truth: float,
        part: str | None = None,
        *,
        relative: bool = False,
    ) -> Sample:
        """Return the drop of a dimension or part between two models on the same images."""
        first, second = (
            RunValue.of(one, one.dimension, part, PerImage.of(one), "") for one in (before, after)
        )
        change = (ratio if relative else difference)(first, second)
        return cls(relative - truth, change.value, change.curve)

    @property
    def sides(self) -> tuple[bool, bool]:
        """True for a limit of the 95 % interval that holds: the lower and the upper one."""
        if self.curve is None:
            return False, False
        low, high = self.curve.interval(CONFIDENCE)
        return low - 1e-9 <= self.truth, self.truth <= high + 1e-9


def is_wrong(demand: Demand, measured: Measurement, policy: Policy) -> bool:
    """True if a demand whose bound is the true value passes; under `allow`, if it fails."""
    outcome = decide(demand, evidence_of(demand, measured), policy).outcome
    return outcome == ("fail" if policy.uncertain == "allow" else "pass")


def read_options(
    document: str,
    draws: int,
    unit: str = "draws of a cell",
    images: Sequence[int] = (),
    flags: Sequence[str] = (),
) -> tuple[argparse.Namespace, np.random.Generator]:
    """Return the options of a simulation, and its random numbers."""
    parser = argparse.ArgumentParser(description=document.splitlines()[0])
    parser.add_argument("--draws", type=int, default=draws, help=f"{unit} (default {draws:,})")
    parser.add_argument("--seed", type=int, default=0)
    if images:
        parser.add_argument("--images", type=int, action="append", choices=images, help="only this number")
    for name in flags:
        parser.add_argument(name, type=int, default=0, help="draws of a cell of these alone")
    given = parser.parse_args()
    return given, np.random.default_rng(given.seed)


def significant(
    counts: Mapping[str, int], draws: int, bound: float, tests: int | None = None, *, above: bool = False
) -> list[str]:
    """Return the cells whose share of draws is significantly below a bound, or above it (binomial test)."""

    def p_value(count: int) -> float:
        return float(binom.sf(count - 1, draws, bound) if above else binom.cdf(count, draws, bound))

    level = LEVEL / (tests or len(counts))
    return [f"{name}: {count / draws:.1%}" for name, count in counts.items() if p_value(count) < level]


def print_summary(
    what: str, counts: Mapping[str, int], draws: int, bound: float, *, above: bool = False
) -> list[str]:
    """Print the lowest share of draws, or the highest, and the cells that are significant; return these."""
    extreme = max(counts.values()) if above else min(counts.values())
    found = significant(counts, draws, bound, above=above)
    print(f"\n{what} {extreme / draws:.1%}")
    side = "above" if above else "below"
    print(f"significantly {side} {100 * bound:g}%: {len(found)} of {len(counts)}", *found, sep="\n  ")
    return found


def typical(rng: np.random.Generator, *, classes: int, weak: float = 0.3) -> Model:
    """Return a random model; `weak` is about its lowest accuracy on a set."""
    clean = rng.uniform(0.6, 0.9)
    accuracy = {CLEAN: clean, FGSM: rng.uniform(weak, 0.5), PGD: weak * rng.uniform(0.8, 1.0)}
    for corruption in CORRUPTIONS:
        base = rng.uniform(weak, clean)
        for severity in SEVERITIES:
            accuracy[View("corruptions", corruption, severity)] = base * (1 - 0.08 * severity)
    accuracy |= {View(shift): rng.uniform(weak, clean) for shift in SHIFTS}
    accuracy |= {View("mixed_same"): clean * 0.95, View("mixed_rand"): clean * rng.uniform(0.7, 0.95)}
    shape = rng.uniform(0.2, 0.5)
    return Model(
        accuracy, classes, rng.uniform(0.4, 1.2), rng.uniform(1.2, 2.2), (shape, rng.uniform(0.2, 0.4))
    )
