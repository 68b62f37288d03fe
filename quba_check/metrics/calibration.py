"""Expected (ECE) and adaptive (ACE) calibration error, with sampling errors, and reliability bins.

Both sum, over bins, the absolute gap between frequency and probability. The gap of a well-calibrated bin is
noise rather than 0, and its absolute value adds to the error: that of a perfect model shrinks with 1/√n only.
So each error comes with its sampling error and with an estimate without the noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quba_check.metrics.calibration_noise import most_without_noise, total_without_noise
from quba_check.stats.estimate import Estimate, SampleName
from quba_check.stats.intervals import log_normal_limits

CLASS_BLOCK = 64
"""Classes per block of ACE: bounds its memory to 64 columns of the table."""
ROW_BLOCK = 1024
"""Rows processed at once. Another number draws other labels."""
REDRAWS = 20
"""Sets of labels drawn from the probabilities for the floor, which is then known to about one percent."""
SEED = 0
_NOISE_SHARE = 0.9
_NOISE_DECAY = 2.0
_MEAN_ABSOLUTE_NORMAL = math.sqrt(2 / math.pi)


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationError:
    """A calibration error with its sampling error and its bias.

    Attributes:
        estimate: the error, in [0, 1]; lower is better.
        debiased: the error expected on infinitely many images; at most the error.
        noise: sum over bins of the standard deviation of the gap of a perfectly calibrated model with these
            probabilities.
    """

    estimate: Estimate
    debiased: float
    noise: float

    def debiased_upper(self, z: float) -> float:
        """Return an upper limit of the error on infinitely many images, at a normal score.

        It is the upper limit of an error above 0, less the smallest contribution of the noise. The score of a
        95 % limit is 1.645.
        """
        return most_without_noise(float(log_normal_limits(self.estimate, np.array([z]))[0]), self.noise)


def expected_calibration_error(
    confidence: NDArray[np.float32], correct: NDArray[np.bool_], *, bins: int, sample: SampleName = None
) -> CalibrationError:
    r"""Mean gap between the confidence of the predicted class and its accuracy (ECE).

    ```math
    \mathrm{ECE} = \sum_b \frac{n_b}{N} \left| \mathrm{accuracy}_b - \mathrm{confidence}_b \right|
    ```

    Confidences are sorted into the bins [j/bins, (j+1)/bins); a confidence of exactly 1 has a bin of its own.
    The edges are the float32 values nearest to j/bins, so that a float32 confidence of 0.2 opens bin 3 of 15.
    An empty bin adds nothing.

    Args:
        confidence: (N,) float32, probability of the predicted class, in [0, 1]; N at least 1.
        correct: (N,) bool, True if the predicted class is the label.
        bins: number of equally wide bins.
        sample: name of these images.

    Returns:
        The error, in [0, 1]; lower is better. Sums are in float64. `debiased` removes the noise bin by bin.

    Source: Guo et al., ICML 2017, equation 3, binned as `torchmetrics` does, whose edges (a float32
    `linspace`) differ from these by one unit in the last place at six of the fourteen edges of 15 bins.

    Examples:
        >>> confidence = np.array([0.9, 1.0], dtype=np.float32)
        >>> round(expected_calibration_error(confidence, np.array([True, False]), bins=2).estimate.value, 6)
        0.55
    """
    rows = len(confidence)
    bin_of_row = confidence_bins(confidence, bins)
    p = confidence.astype(np.float64)
    gap = correct - p
    totals = np.bincount(bin_of_row, weights=gap)
    slopes = _slopes(totals, np.bincount(bin_of_row, weights=gap * gap), rows)
    influence = slopes[bin_of_row] * gap
    error = Estimate(float(np.abs(totals).sum() / rows), {sample: influence - influence.mean()})
    noise = np.sqrt(np.bincount(bin_of_row, weights=p * (1 - p))) / rows  # with labels drawn from p
    return CalibrationError(error, total_without_noise(totals / rows, noise), float(noise.sum()))


def confidence_bins(confidence: NDArray[np.float32], bins: int) -> NDArray[np.intp]:
    """Return the bin of each confidence by the rule of `expected_calibration_error`.

    Args:
        confidence: (N,) float32, in [0, 1].
        bins: number of equally wide bins.

    Returns:
        (N,) 0 to `bins`; `bins` stands for a confidence of exactly 1.
    """
    edges = (np.arange(1, bins + 1) / bins).astype(np.float32)
    return np.digitize(confidence, edges)


def adaptive_calibration_error(
    probabilities: NDArray[np.float32], label: NDArray[np.int64], *, bins: int, sample: SampleName = None
) -> CalibrationError:
    r"""Mean gap between probability and frequency over all classes, in equally full bins (ACE).

    ```math
    \mathrm{ACE} = \frac{1}{C} \sum_{k=1}^{C} \frac{1}{n_k}
    \sum_b \left| \sum_{i \in b} (y_{ik} - p_{ik}) \right|
    ```

    For a class k, only the n images with p_k > 0 count. With their p_k sorted, edge j = 1 … bins − 1 is the
    value at position min(round(j·n/bins), n − 1), rounding halves to even. A value equal to an edge belongs
    to the bin above it, so ties share a bin and some bins may be empty. y is 1 for images with the label k.
    A class with no probability on any image has error 0 and still counts in the mean. The sampling error
    takes the bins as fixed, which changes little.

    Costs one sort of N values a class and a few passes over them (about three seconds for N = 50,000,
    C = 1,000 on one core), and the memory of 64 columns in addition to the table.

    Args:
        probabilities: (N, C) float32, in [0, 1]; N and C at least 1.
        label: (N,) class of each image; a label outside 0 to C − 1 is none of the classes.
        bins: number of bins a class.
        sample: name of these images.

    Returns:
        The mean over classes, in [0, 1]; lower is better. Sums are in float64. `debiased` is
        √(error² − floor²); the floor is the root mean square error of labels drawn from the probabilities
        (the form of Kumar, Liang and Ma, NeurIPS 2019, with the consistency resampling of Bröcker and Smith,
        Weather and Forecasting 2007).

    Source: adaptive calibration error of Nixon et al., CVPR Workshops 2019, over the nonzero probabilities,
    as the released code of arXiv 2503.17110 computes it.

    Examples:
        >>> table = np.array([[0.9, 0.1], [0.8, 0.2]], dtype=np.float32)
        >>> round(adaptive_calibration_error(table, np.array([0, 1]), bins=2).estimate.value, 6)
        0.45
    """
    rows, classes = probabilities.shape
    redraws = _draw_labels(probabilities, np.random.default_rng(SEED)).ravel()
    by_label = np.argsort(redraws, kind="stable")
    ends = np.searchsorted(redraws[by_label], np.arange(classes + 1))
    errors = np.zeros(classes)
    redraw_errors = np.zeros(REDRAWS)
    influence = np.zeros(rows)
    for first in range(0, classes, CLASS_BLOCK):
        for k, column in enumerate(_columns(probabilities, first), start=first):
            is_positive = column > 0
            n = int(np.count_nonzero(is_positive))
            if n == 0:
                continue
            # The other images go into a bin of their own.
            bin_of_row = np.where(is_positive, adaptive_bins(column, bins), bins)
            gap = np.where(is_positive, (label == k) - column.astype(np.float64), 0.0)
            totals = np.bincount(bin_of_row, weights=gap, minlength=bins + 1)
            squares = np.bincount(bin_of_row, weights=gap * gap, minlength=bins + 1)
            errors[k] = np.abs(totals).sum() / n
            influence += _slopes(totals, squares, rows)[bin_of_row] * gap * (rows / n)
            expected = np.bincount(bin_of_row, weights=column, minlength=bins + 1)
            draw, row = np.divmod(by_label[ends[k] : ends[k + 1]], rows)
            hits = np.bincount(draw * (bins + 1) + bin_of_row[row], minlength=REDRAWS * (bins + 1))
            redraw_errors += np.abs(hits.reshape(REDRAWS, -1) - expected)[:, :bins].sum(axis=1) / n
    influence /= classes
    error = Estimate(float(errors.mean()), {sample: influence - influence.mean()})
    floor = redraw_errors / classes  # by simulation, as the noise of bins with hardly a hit is not normal
    debiased = math.sqrt(max(0.0, error.value**2 - float(np.mean(floor**2))))
    return CalibrationError(error, debiased, float(floor.mean()) / _MEAN_ABSOLUTE_NORMAL)


def _columns(probabilities: NDArray[np.float32], first: int) -> NDArray[np.float32]:
    """Return a block of columns as contiguous rows, (CLASS_BLOCK or less, N)."""
    part = probabilities[:, first : first + CLASS_BLOCK]
    columns = np.empty(part.shape[::-1], dtype=part.dtype)
    for row in range(0, len(part), ROW_BLOCK):
        columns[:, row : row + ROW_BLOCK] = part[row : row + ROW_BLOCK].T
    return columns


def adaptive_bins(column: NDArray[np.float32], bins: int) -> NDArray[np.int64]:
    """Return the bin of each probability of a class by the rule of `adaptive_calibration_error`.

    Args:
        column: (N,) float32, in [0, 1], with at least one above 0.
        bins: number of equally full bins of those above 0.

    Returns:
        (N,) 0 to `bins` − 1.
    """
    n = int(np.count_nonzero(column > 0))
    ordered = np.sort(column)[len(column) - n :]
    positions = np.minimum(np.rint(np.arange(1, bins) * n / bins).astype(np.int64), n - 1)
    bin_of_row = np.zeros(len(column), dtype=np.int16)
    # A tenth of the time of a binary search, whose branches are unpredictable.
    for edge in ordered[positions]:
        bin_of_row += column >= edge
    return bin_of_row.astype(np.int64)


def _slopes(totals: NDArray[Any], squares: NDArray[Any], rows: int) -> NDArray[np.float64]:
    """Derivative of the absolute gap of each bin by the gap.

    Far from 0 that is its sign. Near 0 the absolute value of a noisy gap varies less than the gap: the
    factor is chosen so that its square is at least the variance of |Z + δ| for a standard normal Z, on
    average over observed values of Z + δ (at most 28 % too wide at δ = 0, within 2 % from δ = 1.5 on).
    """
    variance = np.maximum(squares - totals * totals / rows, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        squared_ratio = np.where(variance > 0, totals * totals / variance, np.inf)
    slopes: NDArray[np.float64] = np.sign(totals) * np.sqrt(
        1 - _NOISE_SHARE * np.exp(-_NOISE_DECAY * squared_ratio)
    )
    return slopes


def _draw_labels(probabilities: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return (REDRAWS, N) labels drawn from the rows of a table."""
    rows, classes = probabilities.shape
    labels = np.empty((REDRAWS, rows), dtype=np.int64)
    for first in range(0, rows, ROW_BLOCK):
        cumulated = np.cumsum(probabilities[first : first + ROW_BLOCK], axis=1, dtype=np.float64)
        cumulated /= np.maximum(cumulated[:, -1:], np.finfo(np.float64).tiny)
        row = np.arange(len(cumulated))
        # One search for all rows: row i covers the numbers from i to i + 1.
        points = rng.random((REDRAWS, len(row))) + row
        positions = np.searchsorted((cumulated + row[:, None]).ravel(), points.ravel(), side="right")
        columns = positions.reshape(REDRAWS, -1) - row * classes
        labels[:, first : first + len(row)] = np.minimum(columns, classes - 1)
    return labels


def reliability_bins(
    confidence: NDArray[np.float32], correct: NDArray[np.bool_], *, bins: int
) -> list[tuple[float, float, int, float, float]]:
    """Return the bins with images: both edges, images, mean confidence and accuracy.

    They are in ascending order, and the bins of `expected_calibration_error`, which is the mean of
    |accuracy − confidence| over them, weighted by the number of images.

    Args:
        confidence: (N,) float32, probability of the predicted class, in [0, 1].
        correct: (N,) bool, True if the predicted class is the label.
        bins: number of equally wide bins; a confidence of exactly 1 has a bin of its own, from 1 to 1.

    >>> reliability_bins(np.array([0.9, 1.0], np.float32), np.array([True, False]), bins=2)[1]
    (1.0, 1.0, 1, 1.0, 0.0)
    """
    bin_of_row = confidence_bins(confidence, bins)
    images = np.bincount(bin_of_row, minlength=bins + 1)
    confidences = np.bincount(bin_of_row, weights=confidence, minlength=bins + 1)
    hits = np.bincount(bin_of_row, weights=correct, minlength=bins + 1)
    return [
        (j / bins, min((j + 1) / bins, 1.0), n, float(confidences[j] / n), float(hits[j] / n))
        for j, n in enumerate(images.tolist())
        if n
    ]
