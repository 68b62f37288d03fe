"""The run's own answers to its first clean images, by which healthy models are recognised."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from quba_check.core.predictions import NO_CLASS, Predictions
from quba_check.core.view import CLEAN
from quba_check.doctor.class_order import candidates, labels
from quba_check.doctor.preprocessing import is_normalisation_suspicious
from quba_check.doctor.subject import PROBE, ModelUnderTest
from quba_check.errors import QubaError


def is_plausible(subject: ModelUnderTest) -> bool:
    """True if the run's first answers show no error that the short form would find.

    Accuracy, with the same weight for each class, is at least halfway between guessing and perfect; no order
    of the classes suggested by names has more right answers; and no other normalisation looks better.
    """
    answers = first_answers(subject)
    if answers is None:
        return False
    label, predicted, classes = answers.label, answers.predicted, subject.suite.classes
    _, numbers, counts = np.unique(label, return_inverse=True, return_counts=True)
    accuracy = float(np.average(answers.correct, weights=1 / counts[numbers]))
    n_correct = (predicted == label).sum()
    others = (order.columns(classes)[label] for order in candidates(subject))
    return (
        accuracy >= (1 + 1 / len(classes)) / 2
        and all((predicted == other).sum() <= n_correct for other in others)
        and not is_normalisation_suspicious(subject, answers)
    )


def first_answers(subject: ModelUnderTest) -> Predictions | None:
    """Return the run's answers to its first clean images, and the doctor's to eight.

    In a set sorted by class, the first images are of few classes, on which a model can be right in a wrong
    class order. The eight are of eight classes, if there are so many.

    Returns:
        None if the run needs no clean images, or if predicting them fails, which the run reports.
    """
    answers, engine = None, subject.engine
    if engine is not None:
        stored_view = engine.cache_keys.stored_view
        if stored_view(CLEAN) in map(stored_view, engine.run_views):
            with suppress(QubaError):
                answers = engine.first_predictions()
    if answers is None:
        return None
    examples = [example for example in subject.sample(limit=PROBE) if example.index not in answers.index]
    if not examples:
        return answers
    label, probability = labels(examples), subject.logits(examples).softmax(dim=1).numpy()
    columns = {
        "index": np.array([example.index for example in examples]),
        "label": label,
        "predicted": probability.argmax(axis=1),
        "confidence": probability.max(axis=1),
        "true_probability": probability[range(len(label)), label],
    }
    if answers.acceptable is not None:
        others = (0, answers.acceptable.shape[1] - 1)
        columns["acceptable"] = np.pad(label[:, None], ((0, 0), others), constant_values=NO_CLASS)
    joined = {name: np.concatenate([getattr(answers, name), column]) for name, column in columns.items()}
    table = Predictions(**joined, extra={})
    return table.rows(np.argsort(table.index))
