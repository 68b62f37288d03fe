"""Differences of two numbers: McNemar's test for paired shares, limits for unpaired numbers."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

from quba_check.stats.intervals import Limits


def mcnemar(lost: int, gained: int) -> float:
    """Exact two-sided p-value of "both models are right equally often" (McNemar's test).

    Args:
        lost: images on which only the first model is right.
        gained: images on which only the second model is right.

    Returns:
        A probability; 1 if the models differ on no image.

    Source: McNemar, Psychometrika 1947; the binomial form, not the χ² approximation.

    >>> round(mcnemar(10, 2), 4), mcnemar(0, 0), mcnemar(3, 3)
    (0.0386, 1.0, 1.0)
    """
    n = lost + gained
    return min(1.0, 2 * float(scipy.special.bdtr(min(lost, gained), n, 0.5))) if n else 1.0


def group_sign_flip(net: NDArray[np.int64]) -> float:
    """Exact two-sided p-value of McNemar's test for images in groups.

    Under the hypothesis "both models are right equally often", the net gain of each group has either sign
    with the same probability. With single images as groups this is `mcnemar`.

    Args:
        net: (G,) net gain of each group, any whole number: images that only the second model gets right, less
            those of the first.

    Returns:
        A probability; 1 if no group has a net gain.

    Source: the permutation test of whole clusters, as Obuchowski, Statistics in Medicine 1998, tests by a
    normal distribution.

    >>> round(group_sign_flip(np.array([-1] * 10 + [1] * 2)), 4), group_sign_flip(np.array([-4, -4, 2]))
    (0.0386, 0.5)
    """
    sizes = np.abs(net[net != 0])
    if not len(sizes):
        return 1.0
    chance = np.zeros(int(sizes.sum()) + 1)  # of each sum of gains
    chance[0] = 1.0
    for size in sizes.tolist():
        chance[size:] += chance[:-size].copy()
        chance /= 2
    gained = int(net[net > 0].sum())
    return min(1.0, 2 * float(min(chance[: gained + 1].sum(), chance[gained:].sum())))


def unpaired_difference_limits(
    first: float, first_limits: Limits, second: float, second_limits: Limits
) -> Limits:
    """Limits of second − first of two independent numbers, from the limits of each.

    Args:
        first: the first number.
        first_limits: (K,) its limits at normal scores that are symmetric around 0, not decreasing.
        second: the second number.
        second_limits: (K,) its limits at the same scores, in the same unit.

    Returns:
        (K,) limits at these scores, in the unit of the numbers.

    Source: the square-and-add method, Newcombe, Statistics in Medicine 1998 (17, 873-890).

    >>> limits = unpaired_difference_limits(0.5, np.array([0.4, 0.5, 0.6]), 0.7, np.array([0.6, 0.7, 0.8]))
    >>> limits.round(3).tolist()
    [0.059, 0.2, 0.341]
    """
    distance = np.hypot(second_limits - second, first_limits[::-1] - first)
    side = np.sign(np.arange(len(distance)) - len(distance) // 2)
    return second - first + side * distance


def unpaired_ratio_limits(first: float, first_limits: Limits, second: float, second_limits: Limits) -> Limits:
    """Limits of second / first of two independent numbers above 0.

    They are those of the difference of the logarithms.

    Args:
        first: the first number.
        first_limits: (K,) its limits at normal scores that are symmetric around 0, not decreasing.
        second: the second number.
        second_limits: (K,) its limits at the same scores, in the same unit.

    Returns:
        (K,) limits of the ratio at these scores.

    >>> limits = unpaired_ratio_limits(0.5, np.array([0.4, 0.5, 0.6]), 1.0, np.array([0.8, 1.0, 1.2]))
    >>> limits.round(3).tolist()
    [1.499, 2.0, 2.668]
    """
    with np.errstate(divide="ignore"):
        log_first, log_second = (np.log(np.maximum(limits, 0)) for limits in (first_limits, second_limits))
        return np.exp(unpaired_difference_limits(np.log(first), log_first, np.log(second), log_second))
