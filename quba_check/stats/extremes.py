"""The smallest or largest of several numbers, with limits that hold although it was selected."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import scipy

from quba_check.stats.intervals import Limits, Scores

LimitsAt = Callable[[Scores], Limits]
"""Limits (K,) of a number at (K,) normal scores."""


def smallest_limits(numbers: Sequence[LimitsAt], z: Scores) -> Limits:
    """Limits of the smallest of several numbers.

    Some of k numbers looks small by chance. An upper limit is therefore the smallest of upper limits with the
    k-th part of the tail probability (Bonferroni); at the score 0 it is the half-median-unbiased estimate,
    which is above the smallest number in half of the samples at least. A lower limit is the smallest lower
    limit: it needs no correction, since it is below that of the number which is the smallest.

    Args:
        numbers: the limits of each number as a function; at least one.
        z: (K,) normal scores.

    Returns:
        (K,) limits.

    Source: Chernozhukov, Lee and Rosen, Econometrica 2013 (81, 667-737).

    >>> one = lambda z: 0.7 + 0.01 * z
    >>> smallest_limits([one], np.array([-1.0, 0.0, 1.0])).round(3).tolist()
    [0.69, 0.7, 0.71]
    >>> smallest_limits([one, one], np.array([-1.0, 0.0, 1.0])).round(3).tolist()
    [0.69, 0.707, 0.714]
    """
    tails = scipy.special.ndtr(-np.abs(z)) / len(numbers)
    scores = np.where(z < 0, z, -scipy.special.ndtri(tails))
    limits: Limits = np.min([limits_at(scores) for limits_at in numbers], axis=0)
    return limits
