"""The calibration error of simulated models, for bounds on data without a model.

The logits of a simulated model are independent normal numbers, at the scale that gives a stated mean
confidence. Its labels are drawn from its probabilities, so that it is perfectly calibrated: what it shows is
noise. A further factor of the logits makes it too confident.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from quba_check.metrics.calibration import SEED, adaptive_bins, confidence_bins

TABLE = 1 << 18
"""Number of simulated probabilities; those of all images and classes are drawn from them."""
LEAST_ROWS, MOST_ROWS = 64, 4096
IMAGES, MOST_SETS = 1 << 19, 500
"""Number of images in all simulated sets together, and largest number of sets."""
STEPS = 20
"""Bisections of the scale of the logits."""

Probabilities = NDArray[np.float32]


def simulated_calibration_error(
    n: int, classes: int, confidence: float, *, bins: int, temperature: float = 1.0
) -> float:
    """Return the calibration error of a simulated model, from its mean ECE and ACE.

    All classes of the simulation are alike, so that the mean over random classes stands for the mean over all
    of them. It takes about half a second or less, for any number of images and classes.

    Args:
        n: number of images, at least 1.
        classes: number of classes, at least 2, equally frequent.
        confidence: mean probability of the predicted class of the calibrated model, which is its accuracy; in
            (0, 1).
        bins: number of bins of both errors.
        temperature: factor of the calibrated logits, and so the temperature that calibrates the model.

    Returns:
        The error, in [0, 1].

    >>> [round(simulated_calibration_error(n, 10, 0.8, bins=15), 3) for n in (400, 10_000)]
    [0.025, 0.005]
    """
    rng = np.random.default_rng(SEED)
    rows = max(LEAST_ROWS, min(MOST_ROWS, TABLE // classes))
    logits = rng.standard_normal((rows, classes), dtype=np.float32)
    low, high = 0.0, 1e3
    for _ in range(STEPS):
        middle = (low + high) / 2
        is_above = float(_softmax(middle * logits).max(axis=1).mean()) > confidence
        low, high = (low, middle) if is_above else (middle, high)
    true, stated = _softmax(high * logits), _softmax(temperature * high * logits)
    predicted = stated.argmax(axis=1)
    ece = ace = 0.0
    sets = max(1, min(MOST_SETS, IMAGES // n))
    for _ in range(sets):
        row = rng.integers(0, rows, n)
        top, other = predicted[row], rng.integers(0, classes, n)
        ece += _error(confidence_bins(stated[row, top], bins), stated[row, top], true[row, top], rng)
        is_positive = stated[row, other] > 0
        if is_positive.any():
            row, other = row[is_positive], other[is_positive]
            column = stated[row, other]
            ace += _error(adaptive_bins(column, bins), column, true[row, other], rng)
    return math.sqrt(ece * ace) / sets


def _error(
    bin_of_row: NDArray[np.int64], stated: Probabilities, true: Probabilities, rng: np.random.Generator
) -> float:
    """Return the mean absolute gap of events drawn with their true probabilities."""
    gap: NDArray[np.float64] = (rng.random(len(true)) < true) - stated.astype(np.float64)
    return float(np.abs(np.bincount(bin_of_row, weights=gap)).sum()) / len(true)


def _softmax(logits: Probabilities) -> Probabilities:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Probabilities = powers / powers.sum(axis=1, keepdims=True)
    return shares
