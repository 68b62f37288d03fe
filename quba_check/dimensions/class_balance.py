"""Class balance: evenness of accuracy and confidence over the classes."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from numpy.typing import NDArray

from quba_check.core.confidence import curve_of
from quba_check.core.dimension import Part
from quba_check.core.facts import Facts, SuiteFacts, short_class_names, table_class_names
from quba_check.core.measurement import Measurement, Quantity, Table
from quba_check.core.predictions import Predictions, Tables
from quba_check.core.view import CLEAN
from quba_check.dimensions._all_classes import LARGEST, confusion_table, never_right_notes
from quba_check.dimensions._ratios import accuracy_on
from quba_check.dimensions._registry import dimension
from quba_check.dimensions._requested import RowSource, requested_parts, requested_views, with_requests
from quba_check.errors import UnmeasurableError
from quba_check.messages import listed
from quba_check.metrics.class_balance import (
    LEAST_IMAGES,
    Evenness,
    accuracy_evenness,
    between_class_evenness,
    class_means,
    confidence_evenness,
)
from quba_check.stats.estimate import geometric_mean, geometric_mean_of
from quba_check.stats.intervals import normal_limits

NAMED = 3
"""Largest number of classes named in a message."""


_PARTS = (
    Part("accuracy", "fraction", "high", "1 − spread of the class accuracies"),
    Part("confidence", "fraction", "high", "1 − mean spread of the true-class probability in a class"),
    Part("between_class_confidence", "fraction", None, "1 − spread of the classes' mean probability"),
)


@dimension(
    "class_balance",
    title="How evenly accuracy and confidence are spread over the classes.",
    unit="fraction",
    better="high",
    weight=1,
    source="arXiv 2503.17110",
    views=lambda suite: (CLEAN, *requested_views("class_balance", suite)),
    parts=lambda suite: (*_PARTS, *requested_parts("class_balance", suite)),
    check_suite=lambda suite, labels: _check_classes(labels(CLEAN).label, suite),
)
def measure(predictions: Tables, facts: Facts) -> Measurement:
    """Geometric mean of the evenness of class accuracies and of true-class probabilities.

    Raises:
        UnmeasurableError: there are no clean images, fewer than two classes, or fewer than two images in a
            class.
    """
    accuracy_on(predictions, CLEAN)  # raises the reason of an empty set
    clean = predictions[CLEAN]
    suite = facts.suite
    whole, parts = _evenness(clean, suite)
    between = between_class_evenness(clean.label, clean.true_probability, classes=suite.class_count)
    parts["between_class_confidence"] = Quantity(between, "fraction", whole.n)
    tables = {"classes": _class_table(clean, suite), "confusions": confusion_table(clean, suite, LARGEST)}
    notes = never_right_notes(clean, suite)
    measured = Measurement.of("class_balance", whole, parts=parts, notes=notes, tables=tables)
    return with_requests(
        measured,
        RowSource(predictions, suite),
        lambda request, rows: rows.adopted(_evenness(rows.table, suite, f"the set {request.set}")[0]),
    )


def _evenness(
    table: Predictions, suite: SuiteFacts, shown_set: str = "the clean set"
) -> tuple[Quantity, dict[str, Quantity]]:
    """Return value and parts of some images.

    Raises:
        UnmeasurableError: there are fewer than two classes, or fewer than two images in a class.
    """
    _check_classes(table.label, suite, shown_set)
    n = len(table)
    classes = suite.class_count
    label = table.label
    accuracy = accuracy_evenness(label, table.correct, classes=classes, sample=CLEAN)
    confidence = confidence_evenness(label, table.true_probability, classes=classes, sample=CLEAN)
    whole = geometric_mean_of([accuracy.estimate, confidence.estimate])
    debiased = geometric_mean([accuracy.debiased, confidence.debiased])
    hidden = [whole.value * part.hidden_error / (2 * part.estimate.value) for part in (accuracy, confidence)]
    parts = {"accuracy": _quantity(accuracy, n), "confidence": _quantity(confidence, n)}
    return _quantity(Evenness(whole, debiased, math.hypot(*hidden)), n), parts


def _class_table(clean: Predictions, suite: SuiteFacts) -> Table:
    """Return images, accuracy and mean true-class probability of each class."""
    classes = suite.class_count
    columns = (
        table_class_names(suite.class_names, classes),
        np.bincount(clean.label, minlength=classes).tolist(),
        class_means(clean.label, clean.correct, classes=classes).tolist(),
        class_means(clean.label, clean.true_probability, classes=classes).tolist(),
    )
    return Table(("class", "images", "accuracy", "true_probability"), tuple(zip(*columns, strict=True)))


def _quantity(evenness: Evenness, n: int) -> Quantity:
    estimate = evenness.estimate
    curve = curve_of(partial(normal_limits, estimate, hidden_error=evenness.hidden_error), 0.0, 1.0)
    return Quantity(estimate.value, "fraction", n, curve, evenness.debiased, influences=estimate.influences)


def _check_classes(label: NDArray[np.int64], suite: SuiteFacts, shown_set: str = "the clean set") -> None:
    if suite.class_count < 2:
        raise UnmeasurableError(
            "class_balance needs at least two classes; the suite has one", missing_data=True
        )
    counts = np.bincount(label[label >= 0], minlength=suite.class_count)
    scarce = np.flatnonzero(counts < LEAST_IMAGES)
    if len(scarce):
        names = [f"'{name}'" for name in short_class_names(suite.class_names)]
        names = names or [f"class {k}" for k in range(len(counts))]
        named = listed((f"{names[k]} has {counts[k]}" for k in scarce), at_most=NAMED)
        have = "has" if len(scarce) == 1 else "have"
        raise UnmeasurableError(
            f"class_balance needs two images in every class; {len(scarce)} of {len(counts)} classes {have} "
            f"fewer ({named}); add images of them to {shown_set}",
            missing_data=True,
        )
