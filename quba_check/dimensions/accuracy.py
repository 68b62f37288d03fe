"""Accuracy: the share of right answers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from quba_check.core.dimension import Part
from quba_check.core.facts import Facts, SuiteFacts
from quba_check.core.measurement import Measurement, Quantity
from quba_check.core.predictions import NO_CLASS, Predictions, Tables
from quba_check.core.request import Request
from quba_check.core.view import CLEAN
from quba_check.dimensions._all_classes import LARGEST, confusion_table, never_predicted_notes
from quba_check.dimensions._ratios import accuracy_on, clean_probabilities, share
from quba_check.dimensions._registry import dimension
from quba_check.dimensions._requested import RowSource, requested_parts, requested_views, with_requests
from quba_check.dimensions._rows import Rows

TOP: Mapping[int, str] = {3: "three", 5: "five", 10: "ten"}
"""Numbers of classes of the top-k accuracies, as words."""
ROW_BLOCK = 4096
"""Rows ranked at a time: bounds the memory of the comparison."""


def label_ranks(probabilities: NDArray[np.float32], label: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rank of each label among the classes, by probability.

    Of equally probable classes the one with the lower number ranks first, as with argmax.

    Args:
        probabilities: (N, C) float32, in [0, 1].
        label: (N,) class of each image.

    Returns:
        (N,) 0 for the most probable class, to C − 1; C for a label outside the table's classes. The share of
        ranks below k is the top-k accuracy.

    >>> table = np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]], dtype=np.float32)
    >>> label_ranks(table, np.array([1, 2])).tolist()
    [1, 2]
    """
    rows, classes = probabilities.shape
    ranks = np.empty(rows, dtype=np.int64)
    for start in range(0, rows, ROW_BLOCK):
        labels = label[start : start + ROW_BLOCK, None]
        has_class = (labels >= 0) & (labels < classes)
        table = probabilities[start : start + ROW_BLOCK]
        own = np.take_along_axis(table, np.where(has_class, labels, 0), axis=1)
        ahead = (table > own) | ((table == own) & (np.arange(classes) < labels))
        ranks[start : start + ROW_BLOCK] = np.where(has_class[:, 0], ahead.sum(axis=1), classes)
    return ranks


def _ranks(table: Predictions, probabilities: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the rank of each image's best right class, from 0."""
    right = table.label[:, None] if table.acceptable is None else table.acceptable
    ranks: NDArray[np.int64] = np.min([label_ranks(probabilities, label) for label in right.T], axis=0)
    return ranks


def _notes(predictions: Tables) -> tuple[str, ...]:
    """Return a note if several labels are right for some clean images."""
    acceptable = predictions[CLEAN].acceptable
    if acceptable is None:
        return ()
    several = int(np.count_nonzero(acceptable[:, 1] != NO_CLASS))
    return (f"several labels are right for {several:,} of {len(acceptable):,} images; one of them is enough",)


def _parts(suite: SuiteFacts) -> tuple[Part, ...]:
    return tuple(
        Part(f"top{k}", "fraction", "high", f"the label is among the {words} most probable classes")
        for k, words in TOP.items()
        if k < suite.class_count
    )


def _quantity(request: Request, rows: Rows) -> Quantity:
    """Return the accuracy, or a top-k accuracy, on some rows."""
    if not request.metric:
        return rows.share(rows.correct)
    return rows.share(_ranks(rows.table, rows.probabilities) < int(request.metric.removeprefix("top")))


@dimension(
    "accuracy",
    title="How often the model is right on clean images.",
    unit="fraction",
    better="high",
    weight=1,
    source="arXiv 2503.17110; ImageNet-1k: Russakovsky et al., IJCV 2015",
    views=lambda suite: (CLEAN, *requested_views("accuracy", suite)),
    parts=lambda suite: (*_parts(suite), *requested_parts("accuracy", suite)),
)
def measure(predictions: Tables, facts: Facts) -> Measurement:
    """Share of clean images whose predicted class is the label, or another right one.

    Raises:
        UnmeasurableError: there are no clean images.
    """
    whole = accuracy_on(predictions, CLEAN)
    clean = predictions[CLEAN]
    # The answers of a record come without probabilities, and show the accuracy alone.
    known = _parts(facts.suite) if clean.probabilities is not None else ()
    parts = {part.name: int(part.name.removeprefix("top")) for part in known}
    ranks = _ranks(clean, clean_probabilities(predictions)) if parts else np.empty(0)
    measured = Measurement.of(
        "accuracy",
        whole,
        parts={name: share(ranks < k, CLEAN) for name, k in parts.items()},
        notes=(*_notes(predictions), *never_predicted_notes(clean, facts.suite)),
        tables={"confusions": confusion_table(clean, facts.suite, LARGEST)},
    )
    return with_requests(measured, RowSource(predictions, facts.suite), _quantity)
