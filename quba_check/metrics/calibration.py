"""How far probabilities are from frequencies: expected (ECE) and adaptive (ACE) calibration error."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CLASS_BLOCK = 64
"""Classes sorted at a time by ACE: bounds its memory to 64 columns of the table."""


def expected_calibration_error(
    confidence: NDArray[np.float32], right: NDArray[np.bool_], *, bins: int
) -> float:
    """Mean gap between the confidence of the chosen class and how often it is right.

    Confidences are sorted into the bins [j/bins, (j+1)/bins); a confidence of exactly 1 has a bin of its own.
    The edges are the float32 values nearest to j/bins, so that a float32 confidence of 0.2 opens bin 3 of 15.
    An empty bin adds nothing.

    Args:
        confidence: (N,) float32, probability of the chosen class, in [0, 1].
        right: (N,) whether the chosen class is the label.
        bins: number of equally wide bins.

    Returns:
        Σ over bins of (share of images in the bin) · |share right − mean confidence|, in [0, 1]; lower is
        better. Sums are in float64.

    Raises:
        ValueError: there are no rows, or the two columns differ in length.

    Source: Guo et al., ICML 2017, equation 3, binned as `torchmetrics` does, whose edges (a float32
    `linspace`) differ from these by one unit in the last place at six of the fourteen edges of 15 bins.

    >>> confidence = np.array([0.9, 1.0], dtype=np.float32)
    >>> round(expected_calibration_error(confidence, np.array([True, False]), bins=2), 6)
    0.55
    """
    rows = _row_count(confidence, right)
    edges = (np.arange(1, bins + 1) / bins).astype(np.float32)
    bin_of_row = np.digitize(confidence, edges)
    gaps = np.bincount(bin_of_row, weights=right.astype(np.float64) - confidence.astype(np.float64))
    return float(np.abs(gaps).sum() / rows)


def adaptive_calibration_error(
    probabilities: NDArray[np.float32], label: NDArray[np.int64], *, bins: int
) -> float:
    """Mean gap between probability and frequency over all classes, in bins that hold equally many images.

    For a class k, only the n images with p_k > 0 count. With their p_k sorted, edge j = 1 … bins − 1 is the
    value at position min(round(j·n/bins), n − 1), rounding halves to even; a value equal to an edge belongs
    to the bin above it, so ties share a bin and some bins may be empty. The error of the class is
    Σ over bins of |Σ (y − p)| / n with y = 1 where the label is k. A class that no image gives any
    probability has error 0 and still counts in the mean.

    Costs one sort of N values a class (about two seconds for N = 50,000, C = 1,000 on one core), and the
    memory of 64 columns besides the table.

    Args:
        probabilities: (N, C) float32, in [0, 1].
        label: (N,) class of each image; a label outside 0 … C − 1 is none of the classes.
        bins: number of bins a class.

    Returns:
        The mean over classes, in [0, 1]; lower is better. Sums are in float64.

    Raises:
        ValueError: there are no rows or no classes, or table and labels differ in length.

    Source: adaptive calibration error of Nixon et al., CVPR Workshops 2019, over the nonzero probabilities,
    as the released code of arXiv 2503.17110 computes it.

    >>> table = np.array([[0.9, 0.1], [0.8, 0.2]], dtype=np.float32)
    >>> round(adaptive_calibration_error(table, np.array([0, 1]), bins=2), 6)
    0.45
    """
    _row_count(probabilities, label)
    classes = probabilities.shape[1]
    if classes == 0:
        raise ValueError(
            "probabilities: a table of no classes, got shape (N, 0). Allowed: (N, C) with C >= 1."
        )
    by_class = np.argsort(label, kind="stable")
    starts = np.searchsorted(label[by_class], np.arange(classes + 1))
    errors = np.empty(classes)
    for first in range(0, classes, CLASS_BLOCK):
        columns = np.ascontiguousarray(probabilities[:, first : first + CLASS_BLOCK].T)
        for k, column in enumerate(columns, start=first):
            of_class = column[by_class[starts[k] : starts[k + 1]]]
            errors[k] = _class_error(np.sort(column), of_class, bins)
    return float(errors.mean())


def _class_error(ordered: NDArray[np.float32], of_class: NDArray[np.float32], bins: int) -> float:
    """Error of one class from all its probabilities, sorted, and those of the images that belong to it."""
    ordered = ordered[np.searchsorted(ordered, ordered.dtype.type(0), side="right") :]
    of_class = of_class[of_class > 0]
    n = len(ordered)
    if n == 0:
        return 0.0
    positions = np.minimum(np.rint(np.arange(1, bins) * n / bins).astype(np.int64), n - 1)
    edges = ordered[positions]
    bounds = np.concatenate([[0], np.searchsorted(ordered, edges), [n]])
    cumulated = np.concatenate([[0.0], np.cumsum(ordered, dtype=np.float64)])
    probability = np.diff(cumulated[bounds])
    frequency = np.bincount(np.searchsorted(edges, of_class, side="right"), minlength=bins)
    return float(np.abs(frequency - probability).sum() / n)


def _row_count(first: NDArray[np.generic], second: NDArray[np.generic]) -> int:
    if len(first) != len(second) or len(first) == 0:
        raise ValueError(
            f"calibration: columns of {len(first)} and {len(second)} rows. "
            "Allowed: two of the same length, not empty."
        )
    return len(first)
