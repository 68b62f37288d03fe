"""Detection of sets with shuffled labels: normal answers, but accuracy at chance."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy
from numpy.typing import NDArray

from quba_check.core.predictions import Predictions
from quba_check.core.view import CLEAN, CORRUPTIONS_SET, CUE_CONFLICT_SET, MIXED_RAND_SET, View
from quba_check.doctor.finding import Finding
from quba_check.doctor.significance import ALPHA, FEWEST, binomial_tail
from quba_check.doctor.subject import ModelUnderTest, Variant

_IMAGES = (480, 64)
_SHORT_IMAGES = (192, 32)
"""Images of all sets together, and of one at most; of each set at least enough for a conclusion."""
_CONFIDENT = 0.8
_VARIED = 0.7
"""Least shares of the clean set's confidence and variety of answers. A set that is merely hard reduces at
least one of them."""
_SHUFFLES = 1000
_RELATED = 0.05
FIX = (
    "compare some images with their labels by eye: one column of a list may have been sorted alone, "
    "or folders renamed"
)


def shuffled_sets(subject: ModelUnderTest, variant: Variant) -> Iterator[Finding]:
    """Report sets with accuracy at chance though the answers are otherwise normal.

    Args:
        subject: the model under examination.
        variant: of preprocessing and class order.
    """
    for view, here, p in _other_sets(subject, variant):
        if p <= ALPHA:
            continue
        clean = set_answers(subject, CLEAN, variant, subject.suite.facts.spaces.get(view.set))
        if clean is not None and _looks_shuffled(here, clean, subject.seed):
            guess = len(here) / len(subject.suite.space_of(view.set).classes)
            yield Finding(
                check="labels",
                problem=f"{subject.suite.name}: the labels of the set '{view}' look shuffled.",
                evidence=f"{here.correct.sum()} of {len(here)} images right, {guess:.3g} by guessing, with "
                f"mean confidence {here.confidence.mean():.2f}; on the clean set accuracy "
                f"{clean.accuracy:.3f}, confidence {clean.confidence.mean():.2f}",
                fix=FIX,
            )


def accurate_set(subject: ModelUnderTest, variant: Variant) -> tuple[View, float] | None:
    """Return a set except clean with its accuracy of at least 0.5, significantly above chance."""
    sets = _other_sets(subject, variant)
    return next(((view, here.accuracy) for view, here, p in sets if here.accuracy >= 0.5 and p < ALPHA), None)


def _other_sets(subject: ModelUnderTest, variant: Variant) -> Iterator[tuple[View, Predictions, float]]:
    """Yield the answers to other sets, with the p-value of “no better than guessing”."""
    for view in _views(subject):
        guess = 1 / len(subject.suite.space_of(view.set).classes)
        # A few images rule out most sets before a gate run.
        for limit in (FEWEST, None) if subject.short else (None,):
            here = set_answers(subject, view, variant, limit=limit)
            p = 0.0 if here is None else binomial_tail(int(here.correct.sum()), len(here), guess)
            if p <= ALPHA:
                break
        if here is not None:
            yield view, here, p


def set_answers(
    subject: ModelUnderTest, view: View, variant: Variant, space: str | None = None, limit: int | None = None
) -> Predictions | None:
    """Return the answers to a sample of a set, in its label space.

    Args:
        subject: the model under examination.
        view: the set.
        variant: of preprocessing and class order.
        space: label space for the clean set, if not its own.
        limit: number of images; None for what the examination allows.

    Returns:
        None if fewer than 16 images have a label in the space.
    """
    total, most = _SHORT_IMAGES if subject.short else _IMAGES
    limit = limit or max(FEWEST, min(most, total // max(len(list(_views(subject))), 1)))
    examples = subject.sample(view, limit=limit)
    if len(examples) < FEWEST:
        return None
    answers = subject.answers(examples, view, variant, space)
    return answers if len(answers) >= FEWEST else None


def variety(answers: Predictions) -> float:
    """Effective number of predicted classes, the exponential of their entropy."""
    share = np.unique(answers.predicted, return_counts=True)[1] / len(answers)
    return float(np.exp(-(share * np.log(share)).sum()))


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


def _looks_shuffled(here: Predictions, clean: Predictions, seed: int) -> bool:
    """True if a set at chance is answered like clean images, whatever its labels."""
    n = len(here)
    return (
        # Upper confidence limit of the accuracy (Clopper-Pearson).
        clean.accuracy >= 2 * float(scipy.special.bdtri(here.correct.sum(), n, ALPHA))
        and here.confidence.mean() >= _CONFIDENT * clean.confidence.mean()
        and variety(here) >= _VARIED * min(variety(clean), n)
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
