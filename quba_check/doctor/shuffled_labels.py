"""Detection of sets with shuffled labels: normal answers, but accuracy at chance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy
import torch
from numpy.typing import NDArray

from quba_check.core.predictions import NO_CLASS
from quba_check.core.view import CLEAN, CORRUPTIONS_SET, CUE_CONFLICT_SET, MIXED_RAND_SET, View
from quba_check.doctor.class_order import labels
from quba_check.doctor.class_order_candidates import Columns
from quba_check.doctor.finding import Finding
from quba_check.doctor.significance import ALPHA, FEWEST, binomial_tail
from quba_check.doctor.subject import ModelUnderTest, Variant
from quba_check.engine.decisions import decision, label_in, probabilities

_IMAGES, _SHORT_IMAGES = (480, 64), (192, 32)
"""Images of all sets together, and of one at most; of each set at least enough for a conclusion."""
_CONFIDENT, _VARIED = 0.8, 0.7
"""Least shares of the clean set's confidence and variety of answers. A set that is merely hard reduces at
least one of them."""
_SHUFFLES, _RELATED = 1000, 0.05
FIX = (
    "compare some images with their labels by eye: one column of a list may have been sorted alone, "
    "or folders renamed"
)


@dataclass(frozen=True, slots=True, eq=False)
class AnswerStatistics:
    """Answers to a sample of a set, in its label space.

    Attributes:
        name: the view.
        label: (N,) classes.
        predicted: (N,) answers.
        guess: accuracy of guessing.
        confidence: mean probability of the predicted class.
    """

    name: str
    label: NDArray[np.int64]
    predicted: NDArray[np.int64]
    guess: float
    confidence: float

    @property
    def n_correct(self) -> int:
        """Number of correct answers."""
        return int((self.predicted == self.label).sum())

    @property
    def accuracy(self) -> float:
        """Share of correct answers."""
        return self.n_correct / len(self.label)

    @property
    def guess_p(self) -> float:
        """P-value of “accuracy is no higher than by guessing”."""
        return binomial_tail(self.n_correct, len(self.label), self.guess)

    @property
    def variety(self) -> float:
        """Effective number of predicted classes, the exponential of their entropy."""
        share = np.unique(self.predicted, return_counts=True)[1] / len(self.label)
        return float(np.exp(-(share * np.log(share)).sum()))


def shuffled_sets(subject: ModelUnderTest, variant: Variant, columns: Columns) -> Iterator[Finding]:
    """Report sets with accuracy at chance though the answers are otherwise normal.

    Args:
        subject: the model under examination.
        variant: of the preprocessing.
        columns: the output of each class.
    """
    for view in _views(subject):
        # A few images rule out most sets before a gate run.
        for limit in (FEWEST, None) if subject.short else (None,):
            here = answer_statistics(subject, view, variant, columns, limit=limit)
            if here is None or here.guess_p <= ALPHA:
                break
        if here is None or here.guess_p <= ALPHA:
            continue
        space = subject.suite.facts.spaces.get(view.set)
        clean = answer_statistics(subject, CLEAN, variant, columns, space)
        if clean is not None and _looks_shuffled(here, clean, subject.seed):
            yield Finding(
                check="labels",
                problem=f"{subject.suite.name}: the labels of the set '{here.name}' look shuffled.",
                evidence=f"{here.n_correct} of {len(here.label)} images right, "
                f"{len(here.label) * here.guess:.3g} by guessing, "
                f"with mean confidence {here.confidence:.2f}; "
                f"on the clean set accuracy {clean.accuracy:.3f}, confidence {clean.confidence:.2f}",
                fix=FIX,
            )


def accurate_set(subject: ModelUnderTest, variant: Variant, columns: Columns) -> AnswerStatistics | None:
    """Return a set except clean with accuracy of at least 0.5, significantly above chance."""
    for view in _views(subject):
        here = answer_statistics(subject, view, variant, columns)
        if here is not None and here.accuracy >= 0.5 and here.guess_p < ALPHA:
            return here
    return None


def answer_statistics(
    subject: ModelUnderTest,
    view: View,
    variant: Variant,
    columns: Columns,
    clean_space: str | None = None,
    limit: int | None = None,
) -> AnswerStatistics | None:
    """Return statistics of the answers to a sample of a set, in its label space.

    Args:
        subject: the model under examination.
        view: the set.
        variant: of the preprocessing.
        columns: the output of each class.
        clean_space: label space for the clean set, if not its own.
        limit: number of images; None for what the examination allows.

    Returns:
        None if fewer than 16 images have a label in the space.
    """
    total, most = _SHORT_IMAGES if subject.short else _IMAGES
    limit = limit or max(FEWEST, min(most, total // max(len(list(_views(subject))), 1)))
    examples = subject.sample(view, limit=limit)
    if len(examples) < FEWEST:
        return None
    space = subject.suite.space(clean_space) if view == CLEAN else subject.suite.space_of(view.set)
    label = labels(examples)
    if view == CLEAN and clean_space is not None:
        label = label_in(space, label, len(columns))
    labelled = label != NO_CLASS
    if labelled.sum() < FEWEST:
        return None
    logits = subject.logits(examples, view, variant)[:, torch.from_numpy(columns)]
    logits, label = logits[torch.from_numpy(labelled)], label[labelled]
    answers = decision(logits.numpy(), probabilities(logits).numpy(), label, space)
    guess, confidence = 1 / len(space.classes), float(answers.confidence.mean())
    return AnswerStatistics(str(view), label, answers.predicted, guess, confidence)


def independence_p(label: NDArray[np.int64], predicted: NDArray[np.int64], seed: int) -> float:
    """P-value of a permutation test: labels and answers are unrelated.

    It is low if answers depend on labels in any way, correct or not. The statistic is the sum of squared
    counts of the pairs of label and answer.

    Args:
        label: (N,) classes.
        predicted: (N,) answers.
        seed: of a thousand shuffles.

    >>> labels = np.repeat(np.arange(4), 10)
    >>> independence_p(labels, (labels + 1) % 4, 0) < 0.01
    True
    """
    rng = np.random.default_rng(seed)
    n_answers = predicted.max() + 1

    def association(label: NDArray[np.int64]) -> int:
        counts = np.unique(label * n_answers + predicted, return_counts=True)[1]
        return int((counts**2).sum())

    observed = association(label)
    n_as_high = sum(association(rng.permutation(label)) >= observed for _ in range(_SHUFFLES))
    return (n_as_high + 1) / (_SHUFFLES + 1)


def _looks_shuffled(here: AnswerStatistics, clean: AnswerStatistics, seed: int) -> bool:
    """True if a set at chance is answered like clean images, whatever its labels."""
    n = len(here.label)
    return (
        # Upper confidence limit of the accuracy (Clopper-Pearson).
        clean.accuracy >= 2 * float(scipy.special.bdtri(here.n_correct, n, ALPHA))
        and here.confidence >= _CONFIDENT * clean.confidence
        and here.variety >= _VARIED * min(clean.variety, n)
        and independence_p(here.label, here.predicted, seed) > _RELATED
    )


def _views(subject: ModelUnderTest) -> Iterator[View]:
    """Yield the other sets without misleading ones, on which good models can be at chance.

    Corruptions in files have severity 1; the short form has none, and no sets that the run does not read.
    """
    for view in subject.suite.views():
        if view.set in (CLEAN.set, CUE_CONFLICT_SET, MIXED_RAND_SET) or subject.suite.is_generated(view):
            continue
        if subject.engine and view.set not in {planned.set for planned in subject.engine.run_views}:
            continue
        if view.set == CORRUPTIONS_SET and (view.severity != 1 or subject.short):
            continue
        yield view
