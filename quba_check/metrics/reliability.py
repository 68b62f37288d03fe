"""Reliability diagram: accuracy and confidence in bins of the confidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quba_check.metrics.calibration import confidence_bins


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The images with a confidence in [low, high), or exactly 1 in the last bin.

    Attributes:
        low: lower edge, in [0, 1].
        high: upper edge, in [0, 1].
        images: number of images, at least 1.
        confidence: mean probability of the predicted class, in [0, 1].
        accuracy: share of images with a correct prediction, in [0, 1].
    """

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float


def reliability_bins(
    confidence: NDArray[np.float32], correct: NDArray[np.bool_], *, bins: int
) -> list[ReliabilityBin]:
    """Return the bins with images, in ascending order.

    They are the bins of `expected_calibration_error`, which is the mean of |accuracy − confidence| over them,
    weighted by the number of images.

    Args:
        confidence: (N,) float32, probability of the predicted class, in [0, 1].
        correct: (N,) bool, True if the predicted class is the label.
        bins: number of equally wide bins; a confidence of exactly 1 has a bin of its own, from 1 to 1.

    >>> reliability_bins(np.array([0.9, 1.0], np.float32), np.array([True, False]), bins=2)[1]
    ReliabilityBin(low=1.0, high=1.0, images=1, confidence=1.0, accuracy=0.0)
    """
    bin_of_row = confidence_bins(confidence, bins)
    images = np.bincount(bin_of_row, minlength=bins + 1)
    confidences = np.bincount(bin_of_row, weights=confidence, minlength=bins + 1)
    hits = np.bincount(bin_of_row, weights=correct, minlength=bins + 1)
    return [
        ReliabilityBin(
            low=j / bins,
            high=min((j + 1) / bins, 1.0),
            images=int(images[j]),
            confidence=float(confidences[j] / images[j]),
            accuracy=float(hits[j] / images[j]),
        )
        for j in np.flatnonzero(images).tolist()
    ]
