"""Whether the labels of a set look shuffled: answers as sure and varied as elsewhere, right by chance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from quba_check.core.predictions import NO_CLASS
from quba_check.core.view import CLEAN, CORRUPTIONS_SET, CUE_CONFLICT_SET, MIXED_RAND_SET, View
from quba_check.doctor.class_order import labels
from quba_check.doctor.class_order_candidates import Columns
from quba_check.doctor.finding import Finding
from quba_check.doctor.significance import ALPHA, FEWEST, at_least
from quba_check.doctor.subject import ModelUnderTest, Variant
from quba_check.engine.decisions import decision, label_in, probabilities

_IMAGES, _SHORT_IMAGES = (480, 64), (192, 32)
"""Images of all sets together, and of one at most; of each set at least as many as a conclusion takes."""
_AS_SURE, _AS_VARIED = 0.8, 0.7
"""Shares of the clean set's confidence and variety of answers. A set that is merely hard takes away at least
one of them."""
_SHUFFLES, _RELATED = 1000, 0.05
FIX = (
    "compare a few of its images with their labels by eye: in a list a column may have been sorted alone, "
    "folders may have been renamed"
)


@dataclass(frozen=True, slots=True)
class Look:
    """Answers to a sample of a set.

    Attributes:
        name: the view.
        n: images.
        correct: how many are right in the set's label space.
        guess: the share that guessing gets right.
        confidence: mean probability of the choice.
        variety: how many classes are chosen, each weighing by its share: the exponential of their entropy.
        unrelated: probability that shuffled labels would be as closely bound to the answers.
    """

    name: str
    n: int
    correct: int
    guess: float
    confidence: float
    variety: float
    unrelated: float

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return self.correct / self.n


def shuffled_sets(patient: ModelUnderTest, variant: Variant, columns: Columns) -> Iterator[Finding]:
    """Sets on which a good model is at chance though nothing else about its answers is odd.

    Args:
        patient: whose sets are looked at.
        variant: how the model is shown images.
        columns: which output means each class.
    """
    for view in _views(patient):
        here = look(patient, view, variant, columns)
        if here is None:
            continue
        clean = look(patient, CLEAN, variant, columns, space=patient.suite.facts.spaces.get(view.set))
        if clean is not None and _is_shuffled(here, clean):
            yield Finding(
                check="labels",
                problem=f"{patient.suite.name}: the labels of the set '{here.name}' look shuffled.",
                evidence=f"{here.correct} of {here.n} images right, {here.n * here.guess:.3g} by guessing, "
                f"with mean confidence {here.confidence:.2f}; "
                f"on the clean set accuracy {clean.accuracy:.3f}, confidence {clean.confidence:.2f}",
                fix=FIX,
            )


def good_set(patient: ModelUnderTest, variant: Variant, columns: Columns) -> Look | None:
    """A set other than the clean one on which answers are surely better than chance, and often right."""
    for view in _views(patient):
        here = look(patient, view, variant, columns)
        if here is not None and here.accuracy >= 0.5 and at_least(here.correct, here.n, here.guess) < ALPHA:
            return here
    return None


def look(
    patient: ModelUnderTest, view: View, variant: Variant, columns: Columns, space: str | None = None
) -> Look | None:
    """Answers to a sample of a set, read in its label space, or the clean set's read in another.

    Args:
        patient: whose answers are read.
        view: the set.
        variant: how the model is shown images.
        columns: which output means each class.
        space: label space in which the clean set is read.

    Returns:
        None where fewer than 16 images have a label there.
    """
    together, each = _SHORT_IMAGES if patient.short else _IMAGES
    limit = max(FEWEST, min(each, together // max(len(list(_views(patient))), 1)))
    examples = patient.sample(view, limit=limit)
    if len(examples) < FEWEST:
        return None
    read_in = patient.suite.space(space) if view == CLEAN else patient.suite.space_of(view.set)
    label = labels(examples)
    if view == CLEAN and space is not None:
        label = label_in(read_in, label, len(columns))
    known = label != NO_CLASS
    if known.sum() < FEWEST:
        return None
    logits = patient.logits(examples, view, variant)[:, torch.from_numpy(columns)]
    logits, label = logits[torch.from_numpy(known)], label[known]
    chosen = decision(logits.numpy(), probabilities(logits).numpy(), label, read_in)
    share = np.unique(chosen.predicted, return_counts=True)[1] / len(label)
    return Look(
        name=str(view),
        n=len(label),
        correct=int((chosen.predicted == label).sum()),
        guess=1 / len(read_in.classes),
        confidence=float(chosen.confidence.mean()),
        variety=float(np.exp(-(share * np.log(share)).sum())),
        unrelated=independence(label, chosen.predicted, patient.seed),
    )


def independence(label: NDArray[np.int64], predicted: NDArray[np.int64], seed: int) -> float:
    """Probability that shuffled labels are as closely bound to the answers as these are.

    Low wherever answers depend on labels in any way, right or wrong.

    Args:
        label: (N,) classes.
        predicted: (N,) answers.
        seed: of a thousand shuffles.

    >>> labels = np.repeat(np.arange(4), 10)
    >>> independence(labels, (labels + 1) % 4, 0) < 0.01
    True
    """
    rng = np.random.default_rng(seed)

    def bond(shuffled: NDArray[np.int64]) -> int:
        return int(
            (np.unique(shuffled * (predicted.max() + 1) + predicted, return_counts=True)[1] ** 2).sum()
        )

    here = bond(label)
    as_close = sum(bond(rng.permutation(label)) >= here for _ in range(_SHUFFLES))
    return (as_close + 1) / (_SHUFFLES + 1)


def _is_shuffled(here: Look, clean: Look) -> bool:
    return (
        clean.accuracy >= 2 * _surely_below(here)
        and at_least(here.correct, here.n, here.guess) > ALPHA
        and here.unrelated > _RELATED
        and here.confidence >= _AS_SURE * clean.confidence
        and here.variety >= _AS_VARIED * min(clean.variety, here.n)
    )


def _surely_below(here: Look) -> float:
    """The accuracy that is surely not reached, by an exact bound."""
    steps = np.linspace(here.accuracy, 1, 201)
    return float(next((p for p in steps if 1 - at_least(here.correct + 1, here.n, float(p)) < ALPHA), 1.0))


def _views(patient: ModelUnderTest) -> Iterator[View]:
    """The other sets but those that are made to mislead, on which good models may be at chance.

    Of corruptions that are read from files the mildest, and none in the short form.
    """
    for view in patient.suite.views():
        if view.set in (CLEAN.set, CUE_CONFLICT_SET, MIXED_RAND_SET) or patient.suite.is_generated(view):
            continue
        if view.set == CORRUPTIONS_SET and (view.severity != 1 or patient.short):
            continue
        yield view
