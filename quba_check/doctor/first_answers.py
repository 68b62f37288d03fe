"""The run's own answers to its first clean images, from which healthy models are recognised."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from quba_check.core.predictions import Predictions
from quba_check.core.view import CLEAN
from quba_check.doctor.class_order import labels
from quba_check.doctor.significance import FEWEST
from quba_check.doctor.subject import BATCH, ModelUnderTest
from quba_check.errors import QubaError
from quba_check.evaluation import Evaluation

_REPRESENTATIVE = 0.9
"""Least number of classes in first answers, as a share of the number in a random draw of that size."""


def first_answers(evaluation: Evaluation) -> Predictions | None:
    """Return the answers to the first shard of clean images, from the store.

    Returns:
        None if the run needs no clean images, or if predicting them fails, which the run reports.
    """
    engine = evaluation.engine
    stored_view = engine.cache_keys.stored_view
    if stored_view(CLEAN) in map(stored_view, engine.run_views):
        with suppress(QubaError):
            return engine.predictions([CLEAN], engine.run_views, range(1))[CLEAN]
    return None


def representative_answers(subject: ModelUnderTest) -> Predictions | None:
    """Return first answers to about as many classes as random images have.

    In a set sorted by class, the first images are of few classes, on which a model can be right in a wrong
    class order. A small sample of all classes then replaces them.
    """
    answers = subject.first_answers()
    if answers is None:
        return None
    share = np.bincount(labels(subject.suite.examples(CLEAN)))
    share = share / share.sum()
    n_expected = float((1 - (1 - share) ** len(answers)).sum())
    if len(np.unique(answers.label)) >= _REPRESENTATIVE * n_expected:
        return answers
    examples = subject.sample(limit=BATCH)
    label, probability = labels(examples), subject.logits(examples).softmax(dim=1).numpy()
    return Predictions(
        index=np.array([example.index for example in examples]),
        label=label,
        predicted=probability.argmax(axis=1),
        confidence=probability.max(axis=1),
        true_probability=probability[np.arange(len(label)), label],
    )


def are_plausible(answers: Predictions, n_classes: int) -> bool:
    """True if accuracy is at least halfway between guessing and perfect; each class has the same weight.

    Args:
        answers: to clean images.
        n_classes: number of classes of the suite.
    """
    _, numbers, counts = np.unique(answers.label, return_inverse=True, return_counts=True)
    accuracy = float(np.average(answers.correct, weights=1 / counts[numbers]))
    return len(answers) >= FEWEST and accuracy >= (1 + 1 / n_classes) / 2
