"""Findings from the answers to clean images: class order, preprocessing, swapped classes, chance."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import takewhile
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from quba_check.core.predictions import Predictions, joined, most_frequent_class
from quba_check.core.view import CLEAN
from quba_check.doctor import class_order, preprocessing
from quba_check.doctor.finding import Finding
from quba_check.doctor.shuffled_labels import FIX, accurate_set, shuffled_sets
from quba_check.doctor.significance import ALPHA, binomial_tail
from quba_check.doctor.subject import PROBE, ModelUnderTest, Variant
from quba_check.errors import QubaError
from quba_check.messages import listed
from quba_check.number_format import format_distinct

Labels = NDArray[np.int64]
"""(N,) classes."""
_SHOWN = 3
_SCORE = 2.326
"""Normal score of the one-sided level 0.01."""


class SwappedPair(NamedTuple):
    """Two classes whose images mostly get each other's answer.

    Attributes:
        classes: numbers of the two classes.
        n_swapped: number of their images with the answer of the other class.
        n_correct: number of their images with the right answer.
    """

    classes: tuple[int, int]
    n_swapped: int
    n_correct: int


def swapped_pairs(label: Labels, predicted: Labels, n_classes: int) -> list[SwappedPair]:
    """Return the pairs of classes with significantly more swapped than correct answers.

    Each class is the most frequent answer to the other one's images. An exact binomial test for each pair,
    with Holm's correction over all pairs.

    Args:
        label: (N,) class of each image.
        predicted: (N,) predicted class of each image.
        n_classes: number of classes.

    >>> label = np.repeat([0, 1, 2], 20)
    >>> swapped_pairs(label, np.array([1, 0, 2])[label], 3)
    [SwappedPair(classes=(0, 1), n_swapped=40, n_correct=0)]
    """
    counts = Counter(zip(label.tolist(), predicted.tolist(), strict=True))
    scored: list[tuple[float, SwappedPair]] = []
    most_frequent: dict[int, int] = {}
    for (class_number, answer), _ in counts.most_common():
        most_frequent.setdefault(class_number, answer)
    for class_number, other in most_frequent.items():
        if class_number < other and most_frequent.get(other) == class_number:
            swapped = counts[class_number, other] + counts[other, class_number]
            pair = SwappedPair(
                (class_number, other), swapped, counts[class_number, class_number] + counts[other, other]
            )
            scored.append((binomial_tail(pair.n_swapped, pair.n_swapped + pair.n_correct, 0.5), pair))
    n_pairs = n_classes * (n_classes - 1) // 2
    ranked = enumerate(sorted(scored, key=lambda item: item[0]))
    significant = takewhile(lambda item: item[1][0] * (n_pairs - item[0]) <= ALPHA, ranked)
    return sorted((pair for _, (_, pair) in significant), key=lambda pair: pair.classes)


def answer_findings(spec: str, label: Labels, predicted: Labels, classes: Sequence[str]) -> Iterator[Finding]:
    """Yield the findings from the answers to all clean images.

    Args:
        spec: the model.
        label: (N,) class of each image.
        predicted: (N,) predicted class of each image.
        classes: names of the classes.
    """
    pairs = swapped_pairs(label, predicted, len(classes))
    if pairs:
        yield swapped_finding(spec, pairs, classes)
    yield from constant_answer_findings(spec, label, predicted == label, label, classes)


def swapped_finding(spec: str, pairs: Sequence[SwappedPair], classes: Sequence[str]) -> Finding:
    """Return the finding for swapped classes."""
    names = listed(
        (f"'{classes[pair.classes[0]]}' and '{classes[pair.classes[1]]}'" for pair in pairs), _SHOWN
    )
    number = "two" if len(pairs) == 1 else f"{len(pairs)} pairs of"
    swapped = sum(pair.n_swapped for pair in pairs)
    correct = sum(pair.n_correct for pair in pairs)
    return Finding(
        check="class order",
        problem=f"{spec}: {number} classes look swapped: {names}.",
        evidence=f"on the clean images of these classes {swapped:,} answers are the other class of the pair, "
        f"{correct:,} are right",
        fix="compare the class list in quba-data.yaml with that of training (quba-check doctor --order "
        "proposes an order), and the class folders with their images",
    )


def constant_answer_findings(
    spec: str, label: Labels, correct: NDArray[np.bool_], everything: Labels, classes: Sequence[str]
) -> Iterator[Finding]:
    """Report an accuracy that is not above the share of the most frequent class.

    Classes are weighted by their shares of all images. An accuracy from a part of the images must be
    significantly lower.

    Args:
        spec: the model.
        label: (N,) class of each image of a sample.
        correct: (N,) True for the right answers.
        everything: labels of all clean images.
        classes: names of the classes.
    """
    if not len(label):
        return
    frequent, share = most_frequent_class(everything)
    sampled, number, n = np.unique(label, return_inverse=True, return_counts=True)
    known, sizes = np.unique(everything, return_counts=True)
    size = sizes[np.searchsorted(known, sampled)]
    n_correct = np.bincount(number, weights=correct)
    accuracy = float((size / n * n_correct).sum() / size.sum())
    right = n_correct / n
    variance = size**2 * right * (1 - right) / n * (1 - n / size)
    if accuracy + _SCORE * math.sqrt(variance.sum()) / int(size.sum()) <= share < 1:
        ours, constant = format_distinct(accuracy, share, "fraction")
        yield Finding(
            check="accuracy",
            problem=f"{spec}: accuracy {ours} on the clean set is not above {constant}, the share of its "
            f"most frequent class '{classes[frequent]}'.",
            evidence="a constant answer is as accurate; values relative to the clean accuracy (robustness, "
            "object focus) are no evidence of quality",
            fix="check weights, class list and preprocessing: quba-check doctor",
        )


_IMAGES = 64
_CHANCE_IMAGES = 512
_COMPARED = 256
"""Images that decide between two sets of fixes."""
_CONFIDENT = 0.5


class Fixes(NamedTuple):
    """Fixes of preprocessing and class order, each found with the one before it.

    Attributes:
        variant: preprocessing and class order with their fixes.
        better: the better preprocessing; None if the one in use is fine.
        order: the better class order, likewise.
    """

    variant: Variant
    better: preprocessing.CandidateScore | None
    order: class_order.BetterOrder | None


def check(subject: ModelUnderTest) -> Iterator[Finding]:
    """Report wrong preprocessing, a wrong class order, shuffled labels, or an untrained model.

    The preprocessing comes first, and the class order is examined with its fix. A wrong order can mislead the
    search for the preprocessing: if anything is wrong, the other sequence is tried too, and the more accurate
    one counts. Chance in all of them is one finding without a cause.
    """
    if not subject.has_enough_images():
        return
    finding = class_order.supplied_order_finding(subject)
    if finding is not None:
        yield finding
        return
    if is_plausible(subject):
        yield from shuffled_sets(subject, subject.current)
        return
    fixes = _fixes(subject)
    if fixes.better or fixes.order or subject.is_at_chance(fixes.variant):
        fixes = _more_accurate(subject, fixes)
    if fixes.better is not None:
        yield preprocessing.preprocessing_finding(subject, fixes.better)
    if subject.is_at_chance(fixes.variant):
        if subject.is_at_chance(fixes.variant, _CHANCE_IMAGES):
            yield from _chance_findings(subject, fixes.variant)
        return
    yield from _order_findings(subject, fixes)
    if not subject.short:
        answers = subject.clean_answers(fixes.variant)
        everything = subject.suite.labels(CLEAN).label
        classes = subject.suite.class_names
        yield from constant_answer_findings(
            subject.classifier.spec, answers.label, answers.correct, everything, classes
        )
    yield from shuffled_sets(subject, fixes.variant)


def is_plausible(subject: ModelUnderTest) -> bool:
    """True if the run's first answers show no error that the short form would find.

    Accuracy, with the same weight for each class, is at least halfway between guessing and perfect; no order
    of the classes suggested by names has more right answers; and no other normalisation looks better.
    """
    answers = first_answers(subject)
    if answers is None:
        return False
    label = answers.label
    predicted = answers.predicted
    classes = subject.suite.classes
    _, numbers, counts = np.unique(label, return_inverse=True, return_counts=True)
    accuracy = float(np.average(answers.correct, weights=1 / counts[numbers]))
    n_correct = (predicted == label).sum()
    others = (order.columns[label] for order in class_order.candidates(subject))
    return (
        accuracy >= (1 + 1 / len(classes)) / 2
        and all((predicted == other).sum() <= n_correct for other in others)
        and not preprocessing.is_normalisation_suspicious(subject, answers)
    )


def first_answers(subject: ModelUnderTest) -> Predictions | None:
    """Return the run's answers to its first clean images, and the doctor's to eight.

    In a set sorted by class, the first images are of few classes, on which a model can be right in a wrong
    class order. The eight are of eight classes, if there are so many.

    Returns:
        None if the run needs no clean images, or if predicting them fails, which the run reports.
    """
    answers = None
    engine = subject.engine
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
    shown = subject.answers(examples)
    if answers.acceptable is not None:
        acceptable = np.repeat(shown.label[:, None], answers.acceptable.shape[1], axis=1)
        shown = replace(shown, acceptable=acceptable)
    table = joined([answers, shown])
    return table.rows(np.argsort(table.index))


def _fixes(subject: ModelUnderTest, *, is_order_first: bool = False) -> Fixes:
    """Return the fixes of preprocessing and class order."""
    order = class_order.better_order(subject, subject.current) if is_order_first else None
    better = preprocessing.better_preprocessing(subject, _ordered(subject.current, order))
    variant = subject.current if better is None else better.variant
    if better is not None or not is_order_first:
        order = class_order.better_order(subject, variant)
    return Fixes(_ordered(variant, order), better, order)


def _ordered(variant: Variant, better: class_order.BetterOrder | None) -> Variant:
    return replace(variant, columns=None if better is None else better.order.columns)


def _order_findings(subject: ModelUnderTest, fixes: Fixes) -> Iterator[Finding]:
    """Yield the finding on the class order; if swapped pairs explain it, they are named."""
    order = fixes.order
    is_proposed = order is not None and (subject.estimate_order or not order.order.is_estimated)
    if not is_proposed and not subject.short:
        classes = subject.suite.class_names
        answers = subject.clean_answers(_ordered(fixes.variant, None))
        pairs = swapped_pairs(answers.label, answers.predicted, len(classes))
        moved = set() if order is None else {k for k, own in enumerate(order.order.classes) if k != own}
        if pairs and moved <= {k for pair in pairs for k in pair.classes}:
            yield swapped_finding(subject.classifier.spec, pairs, classes)
            return
    if order is not None:
        yield class_order.order_finding(subject, order, is_fixed=fixes.better is not None)


def _chance_findings(subject: ModelUnderTest, variant: Variant) -> Iterator[Finding]:
    answers = subject.clean_answers(variant, _CHANCE_IMAGES)
    n_classes = len(subject.suite.classes)
    n_correct = int(answers.correct.sum())
    n = len(answers)
    confidence = float(answers.confidence.mean())
    evidence = (
        f"{n_correct} of {n} clean images right, {n / n_classes:.3g} by guessing; "
        f"mean confidence {confidence:.2f}"
    )
    other_set = accurate_set(subject, variant)
    if other_set is not None:
        yield Finding(
            check="labels",
            problem=f"{subject.suite.name}: the labels of the set 'clean' look shuffled.",
            evidence=f"{evidence}; on the set '{other_set[0]}' accuracy {other_set[1]:.3f}",
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
    accuracy, other_accuracy = (subject.clean_answers(fix.variant, limit).accuracy for fix in (fixes, other))
    # Of two pairs of fixes that are equally good, the other's evidence has the right class order.
    is_as_good = other_accuracy == accuracy and all((fixes.better, fixes.order, other.better, other.order))
    return other if other_accuracy > accuracy or is_as_good else fixes
