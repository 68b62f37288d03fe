"""Accuracy on clean images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quba_check.core.dimension import Part
from quba_check.core.facts import Facts, SuiteFacts
from quba_check.core.measurement import Measurement
from quba_check.core.predictions import NO_CLASS
from quba_check.core.streaming import SequentialStatistic, Tables
from quba_check.core.view import CLEAN
from quba_check.dimensions._ratios import accuracy_on, clean_probabilities, share
from quba_check.dimensions._registry import dimension
from quba_check.dimensions._streaming import sequential_share

TOP = 5
ROW_BLOCK = 4096
"""Rows ranked at a time: bounds the memory of the comparison."""


def is_in_top_k(probabilities: NDArray[np.float32], label: NDArray[np.int64], k: int) -> NDArray[np.bool_]:
    """Return True for each image whose label is among its k most probable classes.

    Of equally probable classes the one with the lower number ranks first, as with argmax. A label outside the
    table's classes is never among them.

    Args:
        probabilities: (N, C) float32, in [0, 1].
        label: (N,) class of each image.
        k: number of classes that count, from 1 to C.

    Returns:
        (N,) bool, whose mean is the top-k accuracy; higher is better.

    >>> table = np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]], dtype=np.float32)
    >>> is_in_top_k(table, np.array([1, 2]), k=2).tolist()
    [True, False]
    """
    rows, classes = probabilities.shape
    hits = np.empty(rows, dtype=np.bool_)
    for start in range(0, rows, ROW_BLOCK):
        labels = label[start : start + ROW_BLOCK, None]
        has_class = (labels >= 0) & (labels < classes)
        table = probabilities[start : start + ROW_BLOCK]
        own = np.take_along_axis(table, np.where(has_class, labels, 0), axis=1)
        ahead = (table > own) | ((table == own) & (np.arange(classes) < labels))
        hits[start : start + ROW_BLOCK] = has_class[:, 0] & (ahead.sum(axis=1) < k)
    return hits


def _top5_hits(predictions: Tables) -> NDArray[np.bool_]:
    clean, probabilities = predictions[CLEAN], clean_probabilities(predictions)
    right = clean.label[:, None] if clean.acceptable is None else clean.acceptable
    hits: NDArray[np.bool_] = np.any([is_in_top_k(probabilities, label, TOP) for label in right.T], axis=0)
    return hits


def _notes(predictions: Tables) -> tuple[str, ...]:
    """Return a note if several labels are right for some clean images."""
    acceptable = predictions[CLEAN].acceptable
    if acceptable is None:
        return ()
    several = int(np.count_nonzero(acceptable[:, 1] != NO_CLASS))
    return (f"several labels are right for {several:,} of {len(acceptable):,} images; one of them is enough",)


def _parts(suite: SuiteFacts) -> tuple[Part, ...]:
    top5 = Part("top5", "fraction", "high", "the label is among the five most probable classes")
    return (top5,) if suite.class_count > TOP else ()


@dimension(
    "accuracy",
    title="How often the model is right on clean images.",
    unit="fraction",
    better="high",
    weight=1,
    source="arXiv 2503.17110; ImageNet-1k: Russakovsky et al., IJCV 2015",
    views=(CLEAN,),
    parts=_parts,
    streamed=lambda _suite, part: SequentialStatistic(
        (sequential_share(CLEAN, _top5_hits if part else None),)
    ),
)
def measure(predictions: Tables, facts: Facts) -> Measurement:
    """Share of clean images whose predicted class is the label, or another right one.

    Raises:
        UnmeasurableError: there are no clean images.
    """
    whole = accuracy_on(predictions, CLEAN)
    parts = {"top5": share(_top5_hits(predictions), CLEAN)} if _parts(facts.suite) else {}
    return Measurement.of("accuracy", whole, parts=parts, notes=_notes(predictions))
