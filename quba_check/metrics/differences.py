"""Differences of two numbers, paired and unpaired: limits as functions of the normal score, and a test."""

from __future__ import annotations

import numpy as np
from scipy import special

from quba_check.metrics.limits import Limits, Scores

_HALVINGS = 60


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


def paired_shares(lost: int, gained: int, n: int, z: Scores) -> Limits:
    """Score limits of the difference of two shares on the same images (second − first).

    Args:
        lost: images counted in the first share only.
        gained: images counted in the second only.
        n: all images, at least 1.
        z: scores.

    Returns:
        Limits in [-1, 1]; wider than nothing where the two differ nowhere.

    Source: Tango, Statistics in Medicine 1998 (17, 891-908).

    >>> paired_shares(9, 12, 44, np.array([-1.959964, 0, 1.959964])).round(3).tolist()
    [-0.138, 0.068, 0.269]
    """
    low, high = np.full(z.shape, -1.0), np.full(z.shape, 1.0)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        # The score falls as the difference grows; the limit at z is where it is −z.
        below = _tango(lost, gained, n, middle) > -z
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    limits: Limits = (low + high) / 2
    return limits


def _tango(lost: int, gained: int, n: int, difference: Limits) -> Limits:
    """Score statistic of a difference of paired shares."""
    room = gained - lost - n * difference
    linear = -gained - lost + (2 * n - gained + lost) * difference
    constant = -lost * difference * (1 - difference)
    root = np.sqrt(np.maximum(linear**2 - 8 * n * constant, 0))
    only_first = (root - linear) / (4 * n)
    variance = n * (2 * only_first + difference * (1 - difference))
    with np.errstate(divide="ignore", invalid="ignore"):
        score = room / np.sqrt(np.maximum(variance, 0))
    return np.where(np.isnan(score), np.sign(room), score)


def unpaired(first: float, of_first: Limits, second: float, of_second: Limits) -> Limits:
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


def unpaired_ratio(first: float, of_first: Limits, second: float, of_second: Limits) -> Limits:
    """Limits of second / first, as `unpaired` on the logarithms; both numbers are above 0.

    >>> found = unpaired_ratio(0.5, np.array([0.4, 0.5, 0.6]), 1.0, np.array([0.8, 1.0, 1.2]))
    >>> found.round(3).tolist()
    [1.499, 2.0, 2.668]
    """
    with np.errstate(divide="ignore"):
        of_first, of_second = np.log(np.maximum(of_first, 0)), np.log(np.maximum(of_second, 0))
        return np.exp(unpaired(np.log(first), of_first, np.log(second), of_second))
