"""One-sided confidence limits as functions of the normal score z.

Each function takes (K,) scores and returns (K,) limits. At z = −1.645 this is the lower limit, which the true
value exceeds in 95 % of samples, at z = +1.645 the upper one. Both together are a 90 % interval.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence

import numpy as np
import scipy
from numpy.typing import NDArray

from quba_check.stats.estimate import Estimate

Scores = NDArray[np.float64]
Limits = NDArray[np.float64]
LimitsAt = Callable[[Scores], Limits]
"""Limits (K,) of a number at (K,) normal scores."""

FEW_EVENTS = 30
"""Hits below which the logarithm of a share is not taken as normal."""
DENOMINATOR_SHARE = 0.05
"""Part of the error probability that the exact limits of a ratio spend on its denominator."""
_MOST_TRIALS = 2**40


def share_limits(hits: float, n: float, z: Scores) -> Limits:
    """Exact limits of a share (Clopper–Pearson).

    Each errs at most as often as its score states, however few the trials.

    Args:
        hits: successes, 0 to n; with groups both numbers are divided by the design effect.
        n: trials; 0 if nothing is known of the share.
        z: (K,) normal scores.

    Returns:
        (K,) limits in [0, 1]; at the score 0 the share itself.

    Source: Clopper and Pearson, Biometrika 1934; groups: Korn and Graubard, Survey Methodology 1998.

    >>> share_limits(0, 20, np.array([-1.959964, 1.959964])).round(4).tolist()
    [0.0, 0.1684]
    >>> share_limits(0, 0, np.array([-1.0, 0.0, 1.0])).tolist()
    [0.0, 0.0, 1.0]
    """
    share = hits / n if n else 0.0
    is_upper = z > 0
    more = hits + is_upper
    fewer = n - hits + ~is_upper
    limits = scipy.special.betaincinv(more, fewer, scipy.special.ndtr(z))  # not a number if one of them is 0
    return np.select([z == 0, more == 0, fewer == 0], [share, 0.0, 1.0], limits)


def share_trials(share: float, distance: float, z: float) -> int:
    """Smallest number of trials for an exact limit within a distance of the share.

    It compares probabilities and computes no limits, which is many times as fast.

    Args:
        share: successes / trials, in [0, 1].
        distance: largest distance of the limit from the share, above 0.
        z: a normal score other than 0.

    Returns:
        A number from 1; 2⁴⁰ if it takes more.

    >>> share_trials(0.5, 0.1, -1.959964), share_limits(52, 104, np.array([-1.959964])).round(4).tolist()
    (104, [0.4003])
    """
    limit = share + math.copysign(distance, z)
    is_upper = z > 0
    sign = math.copysign(1.0, z)
    if not 0 < limit < 1:
        return 1
    least = sign * scipy.special.ndtr(z)

    def is_near(n: int) -> bool:
        hits = share * n
        level = scipy.special.betainc(hits + is_upper, n - hits + (not is_upper), limit)
        return bool(sign * level >= least)

    return 1 + bisect_left(range(1, _MOST_TRIALS), True, key=is_near)


def quantile_limits(
    values: NDArray[np.floating], share: float, largest: float, z: Scores, effect: float
) -> Limits:
    """Exact limits of a quantile, by order statistics.

    Args:
        values: (n,) independent numbers from 0 to `largest`, in any unit.
        share: the quantile's share, in (0, 1).
        largest: the largest possible number: the upper limit if the sample is too small for another one.
        z: (K,) normal scores.
        effect: factor of the variance by groups, at least 1.

    Returns:
        (K,) limits from 0 to `largest`; 0 and `largest` if no number of the sample is a limit.

    Source: David and Nagaraja, Order Statistics, 2003, section 7.1.

    >>> quantile_limits(np.arange(1, 101.0), 0.5, 1000, np.array([-1.959964, 0, 1.959964]), 1).tolist()
    [40.0, 50.0, 61.0]
    """
    ordered = np.sort(values)
    n = len(values)
    level = scipy.special.ndtr(z)
    size = n / effect
    # The number of values below the quantile is binomial.
    ranks = np.ceil(scipy.special.bdtrik(level, max(round(size), 1), share)) * effect
    ranks = np.select([z < 0, z > 0], [np.floor(ranks), np.floor(ranks) + 1], math.ceil(share * n))
    inside = ordered[np.clip(ranks.astype(np.int64) - 1, 0, n - 1)]
    return np.select([ranks < 1, ranks > n], [0.0, largest], inside)


def log_normal_limits(estimate: Estimate, z: Scores, effect: float = 1.0) -> Limits:
    """Limits of a number above 0 whose logarithm is taken as normal.

    Args:
        estimate: the number.
        z: (K,) normal scores.
        effect: factor of the variance by groups.

    Returns:
        (K,) limits above 0, in the unit of the number.
    """
    error = estimate.standard_error * math.sqrt(effect)
    with np.errstate(invalid="ignore", over="ignore"):  # an infinite standard error times the score 0
        limits: Limits = estimate.value * np.exp(z * error / estimate.value)
    return limits


def normal_limits(estimate: Estimate, z: Scores, effect: float = 1.0, *, hidden_error: float = 0.0) -> Limits:
    """Limits of a number that is taken as normal.

    Args:
        estimate: the number.
        z: (K,) normal scores.
        effect: factor of the variance by groups.
        hidden_error: a further standard error in the unit of the number, independent of the estimate's.

    Returns:
        (K,) limits in the unit of the number.
    """
    with np.errstate(invalid="ignore"):  # an infinite standard error times the score 0
        return estimate.value + z * (math.hypot(estimate.standard_error, hidden_error) * math.sqrt(effect))


def exact_ratio_limits(hits: float, n: float, others: float, m: float, z: Scores) -> Limits:
    """Conservative limits of a ratio of two shares, valid for few hits.

    They are also valid for shares of the same images. The limit of the numerator is divided by the opposite
    limit of the denominator, and both share the error probability (Bonferroni).

    Args:
        hits: successes of the numerator, 0 to n; with groups all numbers are divided by the design effect.
        n: its trials, above 0.
        others: successes of the denominator, above 0 to m.
        m: its trials.
        z: (K,) normal scores.

    Returns:
        (K,) limits of the ratio, at least 0.
    """
    numerator = share_limits(hits, n, bonferroni_scores(z, 1 - DENOMINATOR_SHARE))
    denominator = share_limits(others, m, -bonferroni_scores(z, DENOMINATOR_SHARE))
    limits: Limits = numerator / denominator
    return limits


def bonferroni_scores(z: Scores, share: float) -> Scores:
    """Scores whose tail probabilities are a share of those of z; 0 stays 0.

    Args:
        z: (K,) normal scores.
        share: the share, in (0, 1].

    Returns:
        (K,) normal scores, at least as far from 0 as those given.

    >>> bonferroni_scores(np.array([1.644854]), 0.5).round(4).tolist()
    [1.96]
    """
    distance = -scipy.special.ndtri(scipy.special.ndtr(-np.abs(z)) * share)
    return np.where(z == 0, 0.0, np.sign(z) * distance)


def smallest_limits(numbers: Sequence[LimitsAt], z: Scores) -> Limits:
    """Limits of the smallest of several numbers; at the score 0 that number itself.

    Some of k numbers looks small by chance. An upper limit is therefore the smallest of upper limits with the
    k-th part of the tail probability (Bonferroni). A lower limit is the smallest lower limit: it needs no
    correction, since it is below that of the number which is the smallest.

    Args:
        numbers: the limits of each number as a function; at least one.
        z: (K,) normal scores.

    Returns:
        (K,) limits.

    >>> one = lambda z: 0.7 + 0.01 * z
    >>> smallest_limits([one], np.array([-1.0, 0.0, 1.0])).round(3).tolist()
    [0.69, 0.7, 0.71]
    >>> smallest_limits([one, one], np.array([-1.0, 0.0, 1.0])).round(3).tolist()
    [0.69, 0.7, 0.714]
    """
    scores = np.where(z > 0, bonferroni_scores(z, 1 / len(numbers)), z)
    limits: Limits = np.min([limits_at(scores) for limits_at in numbers], axis=0)
    return limits


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
