"""Temperature scaling, and proper scores of probabilities.

A temperature is the one number that best corrects a model's confidence. With T, a probability p becomes
p^(1/T), normalised over the classes: the softmax of the logits divided by T. The predicted class stays the
same. The best T minimises the mean negative log-likelihood of the labels, which is convex in 1/T.

A proper score is best on average for the true probabilities, so that it judges calibration and accuracy in
one. Negative log-likelihood and Brier score are means over images.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LOWEST = 1e-3
HIGHEST = 1e3
"""Range of the search for a temperature."""
BLOCK = 1 << 16
"""Largest number of probabilities processed at once: all of their arrays fit a processor's cache."""
MOST_STEPS = 60
TOLERANCE = 1e-7
"""Largest last step of the search, in log T. Steps of Newton's method: the error is about its square."""
SAMPLED = 16
"""Step between those images of a large table whose best temperature starts the search on all."""
LARGE = 1 << 12
"""Smallest number of images of a large table."""
NEAR = 1e-6
"""Relative distance from the range's ends that counts as an end."""
SEED = 0
SMALLEST = np.finfo(np.float32).smallest_subnormal
"""The smallest probability above 0, used for 0 in logarithms."""
LARGEST_NLL = -math.log(SMALLEST)
"""Negative log-likelihood of a label with a probability of 0, in nats: about 103.3."""
LARGEST_BRIER = 2.0
"""Brier score of a wrong answer with a probability of 1."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class TemperatureFit:
    """The best temperature.

    Attributes:
        temperature: the best temperature: above 1 if the model is too confident.
        is_at_limit: True if no temperature of the searched range is best. An example is a model that is right
            on all images: the likelihood grows as the temperature falls.
    """

    temperature: float
    is_at_limit: bool


def fit_temperature(probabilities: NDArray[np.float32], label: NDArray[np.int64]) -> TemperatureFit:
    """Find the temperature with the highest likelihood of the labels.

    Newton's method in log T, within a bracket. Each step passes over the table once (0.4 seconds for
    N = 50,000, C = 1,000 on one core). Six to ten steps are common, three on a large table: its search starts
    at the best temperature of some of the images. A probability of 0 counts as the smallest float32 number
    above it.

    Args:
        probabilities: (N, C) float32, in [0, 1].
        label: (N,) class of each image; images with a label outside 0 to C − 1 are left out of the fit;
            one at least has a label.

    Source: Guo et al., ICML 2017, section 4.2.

    >>> table = np.array([[0.9, 0.1]] * 4, dtype=np.float32)
    >>> fit = fit_temperature(table, np.array([0, 0, 0, 1]))
    >>> round(fit.temperature, 6)  # 0.75 of the answers are right, and 9^(1/2) = 3
    2.0
    """
    labelled = np.flatnonzero((label >= 0) & (label < probabilities.shape[1]))
    table = probabilities
    labels = label
    if len(labelled) < len(label):
        table = probabilities[labelled]
        labels = label[labelled]
    log_beta = 0.0
    low = -math.log(HIGHEST)
    high = -math.log(LOWEST)
    if len(labels) >= LARGE:
        sample = fit_temperature(table[::SAMPLED], labels[::SAMPLED])
        log_beta = 0.0 if sample.is_at_limit else -math.log(sample.temperature)
    nll, slope, curvature = _likelihood(table, labels, log_beta)
    first_nll = nll
    for _ in range(MOST_STEPS):
        if nll == 0 or slope == 0:
            break
        low, high = (log_beta, high) if slope < 0 else (low, log_beta)
        step = -slope / curvature if curvature > 0 else math.inf
        target = log_beta + step
        if not low < target < high:
            target = (low + high) / 2
        converged = abs(target - log_beta) < TOLERANCE
        log_beta = target
        if converged:  # the likelihood is flat here: a step this small does not change it
            break
        nll, slope, curvature = _likelihood(table, labels, log_beta)
    temperature = math.exp(-log_beta)
    at_limit = not LOWEST * (1 + NEAR) < temperature < HIGHEST * (1 - NEAR)
    vanishes = nll == 0 < first_nll  # labels with a probability of 1: any lower temperature is as good
    return TemperatureFit(temperature, at_limit or vanishes)


def scale_probabilities(
    probabilities: NDArray[np.float32], temperature: float | Floats
) -> NDArray[np.float32]:
    """Return the (N, C) probabilities at a temperature.

    Args:
        probabilities: (N, C) float32, in [0, 1]; 0 counts as the smallest float32 number above it.
        temperature: in (0, ∞); one for all images, or (N,) one for each.

    >>> scale_probabilities(np.array([[0.9, 0.1]], dtype=np.float32), 2.0)
    array([[0.75, 0.25]], dtype=float32)
    """
    scaled = np.empty_like(probabilities)
    for rows, _, weights, totals in _blocks(probabilities, 1 / temperature):
        np.divide(weights, totals[:, None], out=scaled[rows], casting="same_kind")
    return scaled


def scale_held_out(
    probabilities: NDArray[np.float32], label: NDArray[np.int64], is_second: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return the probabilities of each half at the best temperature of the other (two-fold cross-fitting).

    Args:
        probabilities: (N, C) float32, in [0, 1].
        label: (N,) class of each image, as for `fit_temperature`.
        is_second: (N,) True for the images of the second half; see `halves`. Both halves have a label.

    Returns:
        (N, C) float32.
    """
    temperature = np.empty(len(label))
    for half in (is_second, ~is_second):
        temperature[half] = fit_temperature(probabilities[~half], label[~half]).temperature
    return scale_probabilities(probabilities, temperature)


def halves(label: NDArray[np.int64], group: NDArray[np.int64] | None = None) -> NDArray[np.bool_]:
    """Return a random split of images into halves: True for the second one.

    The split is the same in every run. The images of a label, or the groups whose first image has it, are
    dealt to both halves one after another, so that each label has the same number in both, or one more.

    Args:
        label: (N,) class of each image.
        group: (N,) any numbers, equal for images of a group, which stays in one half; None without groups.

    >>> halves(np.array([7, 7, 7, 7, 3, 3])).reshape(3, 2).sum(axis=0).tolist(), halves(np.array([1]))
    ([2, 1], array([False]))
    """
    units = np.arange(len(label)) if group is None else group
    _, first, unit = np.unique(units, return_index=True, return_inverse=True)
    shuffled = np.random.default_rng(SEED).permutation(len(first))
    by_label = shuffled[np.argsort(label[first][shuffled], kind="stable")]
    is_second = np.zeros(len(first), dtype=np.bool_)
    is_second[by_label[1::2]] = True
    return is_second[unit]


def _likelihood(
    probabilities: NDArray[np.float32], label: NDArray[np.int64], log_beta: float
) -> tuple[float, float, float]:
    """Return the negative log-likelihood, and its two derivatives by the logarithm of 1/T."""
    beta = math.exp(log_beta)
    nll = slope = curvature = 0.0
    for rows, logs, weights, totals in _blocks(probabilities, beta):
        # With the weights w_k = p_k^β / Σ p^β: the slope by β is E[log p] − log p of the label, and the
        # curvature is the variance of log p.
        means = np.einsum("ij,ij->i", weights, logs) / totals
        squares = np.einsum("ij,ij,ij->i", weights, logs, logs) / totals
        of_label = logs[np.arange(len(logs)), label[rows]]
        nll += float((np.log(totals) - beta * of_label).sum())
        slope += float((means - of_label).sum())
        curvature += float((squares - means * means).sum())
    n = len(label)
    return nll / n, beta * slope / n, (beta * beta * curvature + beta * slope) / n


def _blocks(
    probabilities: NDArray[np.float32], beta: float | Floats
) -> Iterator[tuple[slice, Floats, Floats, Floats]]:
    """Yield the rows of each block, with logarithms, powers and their sums.

    Logarithms (n, C) and powers p^β (n, C) are relative to the largest of the row. The sums (n,) are of
    the powers. β is one number or (N,) numbers.
    """
    exponents = np.broadcast_to(beta, len(probabilities))[:, None]
    step = max(1, BLOCK // probabilities.shape[1])
    for first in range(0, len(probabilities), step):
        rows = slice(first, first + step)
        logs = np.log(np.maximum(probabilities[rows], SMALLEST), dtype=np.float64)
        logs -= logs.max(axis=1, keepdims=True)
        weights = np.exp(exponents[rows] * logs)
        yield rows, logs, weights, weights.sum(axis=1)


def negative_log_likelihoods(probabilities: NDArray[np.float32], label: NDArray[np.int64]) -> Floats:
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
    return np.clip(squares - 2 * _of_label(probabilities, label) + 1, 0.0, LARGEST_BRIER)


def _of_label(probabilities: NDArray[np.float32], label: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the (N,) probability of the label; 0 for a label outside the classes."""
    is_class = (label >= 0) & (label < probabilities.shape[1])
    column = np.where(is_class, label, 0)
    return np.where(is_class, probabilities[np.arange(len(label)), column], 0.0).astype(np.float64)
