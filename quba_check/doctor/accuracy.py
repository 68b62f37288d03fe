"""The check of the model's accuracy, for one cause of wrong answers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from quba_check.core.predictions import NO_CLASS, Predictions, most_frequent_class
from quba_check.core.view import CLEAN
from quba_check.doctor.class_order import (
    BetterOrder,
    better_order,
    candidates,
    labels,
    order_finding,
    predictions,
    supplied_order_finding,
)
from quba_check.doctor.class_order_candidates import Columns
from quba_check.doctor.clean_answers import constant_answer_finding, swapped_finding, swapped_pairs
from quba_check.doctor.finding import Finding
from quba_check.doctor.preprocessing import (
    STEP,
    BetterVariant,
    better_geometry,
    better_normalisation,
    is_normalisation_suspicious,
    preprocessing_finding,
)
from quba_check.doctor.shuffled_labels import FIX, accurate_set, shuffled_sets
from quba_check.doctor.significance import is_at_chance
from quba_check.doctor.subject import PROBE, ModelUnderTest, Variant
from quba_check.errors import QubaError

_IMAGES, _CHANCE_IMAGES = 64, 512
_COMPARED = 256
"""Images that decide between two sets of fixes."""
_CONFIDENT = 0.5
_POOR = 0.5
_SCORE = 2.326
"""Normal score of the one-sided level 0.01."""


@dataclass(frozen=True, slots=True, eq=False)
class Fixes:
    """Fixes of preprocessing and class order, each found with the one before it.

    Attributes:
        variant: the preprocessing with its fix.
        columns: the output of each class, with its fix.
        better: the better preprocessing; None if the one in use is fine.
        order: the better class order, likewise.
    """

    variant: Variant
    columns: Columns
    better: BetterVariant | None = None
    order: BetterOrder | None = None


def check(subject: ModelUnderTest) -> Iterator[Finding]:
    """Report wrong preprocessing, a wrong class order, shuffled labels, or an untrained model.

    The preprocessing comes first, and the class order is examined with its fix. A wrong order can mislead the
    search for the preprocessing: if anything is wrong, the other sequence is tried too, and the more accurate
    one counts. Chance in all of them is one finding without a cause.
    """
    if not subject.has_enough_images():
        return
    if (finding := supplied_order_finding(subject)) is not None:
        yield finding
        return
    if is_plausible(subject):
        yield from shuffled_sets(subject, subject.current, np.arange(len(subject.suite.classes)))
        return
    fixes = _fixes(subject)
    if fixes.better or fixes.order or _is_at_chance(subject, fixes):
        fixes = _more_accurate(subject, fixes)
    if fixes.better is not None:
        yield preprocessing_finding(subject, fixes.better)
    if _is_at_chance(subject, fixes):
        yield from _chance_findings(subject, fixes)
        return
    yield from _order_findings(subject, fixes)
    yield from _constant_answer_findings(subject, fixes)
    yield from shuffled_sets(subject, fixes.variant, fixes.columns)


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


def _fixes(subject: ModelUnderTest, *, is_order_first: bool = False) -> Fixes:
    """Return the fixes of preprocessing and class order."""
    fixes = Fixes(subject.current, np.arange(len(subject.suite.classes)))
    if is_order_first:
        fixes = _with_order(subject, fixes)
    with subject.budget.step(STEP):
        fixes = _with_variant(subject, fixes)
    return fixes if is_order_first and fixes.better is None else _with_order(subject, fixes)


def _with_order(subject: ModelUnderTest, fixes: Fixes) -> Fixes:
    """Return the fixes with the class order examined again, under their preprocessing."""
    fixes = replace(fixes, columns=np.arange(len(fixes.columns)), order=None)
    with subject.budget.step("class order"):
        order = better_order(subject, fixes.variant, many=_is_at_chance(subject, fixes))
        if order is not None:
            return replace(fixes, columns=order.order.columns(subject.suite.classes), order=order)
    return fixes


def _with_variant(subject: ModelUnderTest, fixes: Fixes) -> Fixes:
    """Return the fixes with a better preprocessing, under their class order."""
    better = better_normalisation(subject, fixes.columns, use_labels=not _is_at_chance(subject, fixes))
    if better is None and subject.short:
        n_correct, n = _n_correct(subject, fixes)
        if n_correct / n >= _POOR:
            return fixes
    better = better or better_geometry(subject, fixes.columns)
    return fixes if better is None else replace(fixes, variant=better.variant, better=better)


def _order_findings(subject: ModelUnderTest, fixes: Fixes) -> Iterator[Finding]:
    """Yield the finding on the class order; if swapped pairs explain it, they are named."""
    order, moved = fixes.order, set(np.flatnonzero(fixes.columns != np.arange(len(fixes.columns))).tolist())
    is_proposed = order is not None and (subject.estimate_order or not order.order.is_estimated)
    if not is_proposed and not subject.short:
        examples, classes = subject.sample(), subject.suite.class_names
        predicted = predictions(subject, examples, fixes.variant)
        pairs = swapped_pairs(labels(examples), predicted, len(classes))
        if pairs and moved <= {k for pair in pairs for k in pair.classes}:
            yield swapped_finding(subject.classifier.spec, pairs, classes)
            return
    if order is not None:
        yield order_finding(subject, order, is_fixed=fixes.better is not None)


def _constant_answer_findings(subject: ModelUnderTest, fixes: Fixes) -> Iterator[Finding]:
    """Report an accuracy that is not above the share of the most frequent class.

    The sample is balanced, so classes are weighted by their shares of all images. An accuracy from a part of
    the images must be significantly lower.
    """
    if subject.short:
        return
    everything = labels(subject.suite.examples(CLEAN))
    frequent, share = most_frequent_class(everything)
    examples = subject.sample()
    label = labels(examples)
    correct = predictions(subject, examples, fixes.variant) == fixes.columns[label]
    sampled = np.unique(label)
    size, n = np.bincount(everything)[sampled], np.bincount(label)[sampled]
    right = np.bincount(label, weights=correct)[sampled] / n
    accuracy = float((size * right).sum() / size.sum())
    variance = size**2 * right * (1 - right) / n * (1 - n / size)
    error = math.sqrt(variance.sum()) / int(size.sum())
    if accuracy + _SCORE * error <= share < 1:
        name = subject.suite.class_names[frequent]
        yield constant_answer_finding(subject.classifier.spec, accuracy, share, name)


def _chance_findings(subject: ModelUnderTest, fixes: Fixes) -> Iterator[Finding]:
    variant, columns = fixes.variant, fixes.columns
    n_correct, n = _n_correct(subject, fixes, _CHANCE_IMAGES)
    if not is_at_chance(n_correct, n, len(columns)):
        return
    probability = subject.logits(subject.sample(limit=n), variant=variant).softmax(dim=1)
    confidence = float(probability.amax(dim=1).mean())
    evidence = (
        f"{n_correct} of {n} clean images right, {n / len(columns):.3g} by guessing; "
        f"mean confidence {confidence:.2f}"
    )
    other_set = accurate_set(subject, variant, columns)
    if other_set is not None:
        yield Finding(
            check="labels",
            problem=f"{subject.suite.name}: the labels of the set 'clean' look shuffled.",
            evidence=f"{evidence}; on the set '{other_set.name}' accuracy {other_set.accuracy:.3f}",
            fix=FIX,
        )
        return
    yield subject.finding(
        "chance",
        "the model is at chance on the clean set, in every class order and preprocessing that was tried.",
        evidence,
        "the model is confident: compare some images with their labels by eye, and the class list with "
        "that of training"
        if confidence >= _CONFIDENT
        else "check that these are the weights of a trained model, and that it was trained on these classes",
    )


def _more_accurate(subject: ModelUnderTest, fixes: Fixes) -> Fixes:
    """Return the fixes of the other sequence if the model is more accurate with them."""
    other = _fixes(subject, is_order_first=True)
    limit = _IMAGES if subject.short else _COMPARED
    right, _ = _n_correct(subject, fixes, limit)
    other_right, _ = _n_correct(subject, other, limit)
    # Of two pairs of fixes that are equally good, the other's evidence has the right class order.
    is_as_good = other_right == right and bool(fixes.better and fixes.order and other.better and other.order)
    return other if other_right > right or is_as_good else fixes


def _is_at_chance(subject: ModelUnderTest, fixes: Fixes) -> bool:
    n_correct, n = _n_correct(subject, fixes)
    return is_at_chance(n_correct, n, len(fixes.columns))


def _n_correct(subject: ModelUnderTest, fixes: Fixes, limit: int = _IMAGES) -> tuple[int, int]:
    """Return the number of correct answers on a clean sample, and its size."""
    examples = subject.sample(limit=limit)
    correct = predictions(subject, examples, fixes.variant) == fixes.columns[labels(examples)]
    return int(correct.sum()), len(examples)
