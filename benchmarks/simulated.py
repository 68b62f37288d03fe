"""Models whose true qualities are known: answers drawn from a latent-ability model.

An image has a difficulty, shared by all that is made of it; a model is right where its ability on a set, less
the difficulty, beats a private chance. Stated probabilities have another temperature than the true ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import special

from quba_check.core.facts import Facts, ModelFacts, SuiteFacts
from quba_check.core.predictions import Predictions
from quba_check.core.view import CLEAN, CORRUPTIONS, FGSM, PGD, SEVERITIES, View

SHIFTS = ("sketch", "night")
NOISE = 0.7
"""Standard deviation of the private chance, beside a difficulty of 1."""


@dataclass(frozen=True)
class Model:
    """A simulated model.

    Attributes:
        accuracy: true accuracies by view; the others follow.
        classes: number of classes.
        spread: standard deviation of the ability over classes.
        temperature: the true temperature; 1 is calibrated, above 1 it is too sure.
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
        """Answers to n clean images, what is made of them, and n images of every other set."""
        clean = _Images.drawn(n, self.classes, rng)
        tables = {}
        for view, accuracy in self.accuracy.items():
            made = view.set == "clean" or view.set == "corruptions"
            images = clean if made else _Images.drawn(n, self.classes, rng)
            ability = special.ndtri(accuracy) * math.sqrt(1 + NOISE**2)
            right = ability - images.difficulty + NOISE * rng.standard_normal(n) > 0
            tables[view] = answers(images.label, right, self.classes, rng)
        tables[CLEAN] = self._with_probabilities(clean.label, rng)
        tables[PGD].extra["always_right"] = tables[PGD].correct
        tables[FGSM].extra["zero_gradient"] = np.zeros(n, bool)
        tables[View("cue_conflict")] = self._cues(n, rng)
        return tables

    def _with_probabilities(self, label: np.ndarray, rng: np.random.Generator) -> Predictions:
        """Clean answers with probabilities of which the true ones are a known function."""
        n = len(label)
        ability = self._abilities[label]
        logits = rng.standard_normal((n, self.classes))
        order = np.argsort(-logits, axis=1)
        sure = np.maximum(rng.normal(ability, 1.5, n), 0.1)
        logits[np.arange(n), order[:, 0]] = logits.max(axis=1) + sure
        true = special.softmax(logits / self.temperature, axis=1)
        said = special.softmax(logits, axis=1).astype(np.float32)
        chosen = (np.cumsum(true, axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, self.classes - 1)
        # The label is drawn from the true probabilities; classes are renamed so that it is the given one.
        rows = np.arange(n)
        said[rows, chosen], said[rows, label] = said[rows, label].copy(), said[rows, chosen].copy()
        top1 = said.argmax(axis=1)
        return Predictions(rows, label, top1, said.max(axis=1), said[rows, label], said)

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
    def drawn(cls, n: int, classes: int, rng: np.random.Generator) -> _Images:
        """As many images of each class as of any other."""
        return cls(np.arange(n) % classes, rng.standard_normal(n))


def answers(label: np.ndarray, right: np.ndarray, classes: int, rng: np.random.Generator) -> Predictions:
    """Answers that are the label if right, else another class."""
    other = (label + 1 + rng.integers(0, classes - 1, len(label))) % classes
    half = np.full(len(label), 0.5, np.float32)
    return Predictions(np.arange(len(label)), label, np.where(right, label, other), half, half, extra={})


def typical(rng: np.random.Generator, *, classes: int, weak: float = 0.3) -> Model:
    """A model of random qualities; `weak` is about its lowest accuracy on a set."""
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
