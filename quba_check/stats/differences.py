"""Differences of two numbers: an exact test of paired shares, and limits of unpaired numbers."""

from __future__ import annotations

import numpy as np
from scipy import special

from quba_check.stats.intervals import Limits


def mcnemar(lost: int, gained: int) -> float:
    """Exact two-sided p-value of “both are right equally often”, from the images on which they differ.

    Args:
        lost: images on which only the first is right.
        gained: images on which only the second is right.

    Returns:
        A probability; 1 where they differ nowhere.

    Source: McNemar, Psychometrika 1947; the binomial form, not the χ² approximation.

    >>> round(mcnemar(10, 2), 4), mcnemar(0, 0), mcnemar(3, 3)
    (0.0386, 1.0, 1.0)
    """
    n = lost + gained
    return min(1.0, 2 * float(special.bdtr(min(lost, gained), n, 0.5))) if n else 1.0


def unpaired_difference_limits(first: float, of_first: Limits, second: float, of_second: Limits) -> Limits:
    """Limits of second − first of two numbers from different images, from the limits of each.

    Args:
        first: the one number.
        of_first: its limits, at scores that are symmetric around 0.
        second: the other number.
        of_second: its limits at the same scores.

    Source: the square-and-add method, Newcombe, Statistics in Medicine 1998 (17, 873-890).

    >>> found = unpaired(0.5, np.array([0.4, 0.5, 0.6]), 0.7, np.array([0.6, 0.7, 0.8]))
    >>> found.round(3).tolist()
    [0.059, 0.2, 0.341]
    """
    reach = np.hypot(of_second - second, of_first[::-1] - first)
    side = np.sign(np.arange(len(reach)) - len(reach) // 2)
    limits: Limits = second - first + side * reach
    return limits


def unpaired_ratio_limits(first: float, of_first: Limits, second: float, of_second: Limits) -> Limits:
    """Limits of second / first, as `unpaired_difference_limits` on the logarithms; both numbers are above 0.

    >>> found = unpaired_ratio(0.5, np.array([0.4, 0.5, 0.6]), 1.0, np.array([0.8, 1.0, 1.2]))
    >>> found.round(3).tolist()
    [1.499, 2.0, 2.668]
    """
    with np.errstate(divide="ignore"):
        of_first, of_second = np.log(np.maximum(of_first, 0)), np.log(np.maximum(of_second, 0))
        return np.exp(unpaired_difference_limits(np.log(first), of_first, np.log(second), of_second))
