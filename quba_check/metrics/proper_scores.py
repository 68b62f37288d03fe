"""Proper scores of probabilities: negative log-likelihood and Brier score, image by image.

A proper score is best on average for the true probabilities, so that it judges calibration and accuracy in
one. Both scores here are means over images.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from quba_check.metrics.temperature import BLOCK, SMALLEST

LARGEST_NLL = -math.log(SMALLEST)
"""Negative log-likelihood of a label with a probability of 0, in nats: about 103.3."""
LARGEST_BRIER = 2.0
"""Brier score of a wrong answer with a probability of 1."""


def negative_log_likelihoods(
    probabilities: NDArray[np.float32], label: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return −log of the probability of the label of each image.

    Args:
        probabilities: (N, C) float32, in [0, 1]; 0 counts as the smallest float32 number above it.
        label: (N,) class of each image; a label outside 0 to C − 1 has a probability of 0.

    Returns:
        (N,) float64 in nats, in [0, `LARGEST_NLL`]; lower is better.

    >>> table = np.array([[0.5, 0.5], [0.0, 1.0]], dtype=np.float32)
    >>> negative_log_likelihoods(table, np.array([0, 0])).round(4).tolist()
    [0.6931, 103.2789]
    """
    return np.maximum(0.0, -np.log(np.maximum(_of_label(probabilities, label), SMALLEST)))


def brier_scores(probabilities: NDArray[np.float32], label: NDArray[np.int64]) -> NDArray[np.float64]:
    r"""Return the squared distance of the probabilities from the label of each image.

    ```math
    \sum_k (p_k - y_k)^2
    ```

    y is 1 for the label and 0 for all other classes. The table is read in blocks.

    Args:
        probabilities: (N, C) float32, in [0, 1], with rows that sum to 1.
        label: (N,) class of each image; a label outside 0 to C − 1 is one more class, of probability 0.

    Returns:
        (N,) float64, in [0, 2]; lower is better.

    Source: Brier, Monthly Weather Review 1950.

    >>> brier_scores(np.array([[0.75, 0.25], [0.75, 0.25]], dtype=np.float32), np.array([0, 1])).tolist()
    [0.125, 1.125]
    """
    squares = np.empty(len(label))
    step = max(1, BLOCK // probabilities.shape[1])
    for first in range(0, len(label), step):
        block = probabilities[first : first + step].astype(np.float64)
        squares[first : first + step] = np.einsum("ij,ij->i", block, block)
    scores = squares - 2 * _of_label(probabilities, label) + 1
    return np.clip(scores, 0.0, LARGEST_BRIER)


def _of_label(probabilities: NDArray[np.float32], label: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the (N,) probability of the label; 0 for a label outside the classes."""
    is_class = (label >= 0) & (label < probabilities.shape[1])
    column = np.where(is_class, label, 0)
    return np.where(is_class, probabilities[np.arange(len(label)), column], 0.0).astype(np.float64)
