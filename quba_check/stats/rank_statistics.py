"""Rank correlation, difference of two groups by ranks, and Holm's correction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

CONFIDENCE = 0.95
LEAST_PAIRS = 4
"""Smallest number of pairs for the interval of a rank correlation."""


@dataclass(frozen=True, slots=True)
class RankCorrelation:
    """Spearman's rank correlation of two quantities.

    Attributes:
        rho: the correlation, in [-1, 1].
        interval: 95 % interval.
        p: two-sided p-value of "the quantities are independent".
        n: number of pairs.
    """

    rho: float
    interval: tuple[float, float]
    p: float
    n: int


@dataclass(frozen=True, slots=True)
class GroupDifference:
    """The difference of two groups by ranks.

    Attributes:
        delta: Cliff's delta: share of pairs in which the first group's value is higher, minus the share in
            which it is lower; in [-1, 1]. It equals the rank-biserial correlation.
        interval: 95 % interval.
        p: two-sided p-value of "both groups have the same distribution" (Mann-Whitney).
        n: sizes of both groups.
    """

    delta: float
    interval: tuple[float, float]
    p: float
    n: tuple[int, int]


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> RankCorrelation | None:
    """Return Spearman's rank correlation, None if it is undefined.

    The interval is Fisher's with the variance (1 + rho²/2) / (n - 3) (Bonett and Wright, Psychometrika 2000).

    Args:
        first: (n,) finite values.
        second: (n,) finite values of the same items.

    Returns:
        The correlation; None for fewer than four pairs, or if one quantity is constant.

    >>> rank_correlation([1, 2, 3, 4, 5], [1, 3, 2, 5, 4]).rho
    0.8
    """
    n = len(first)
    if n < LEAST_PAIRS or min(first) == max(first) or min(second) == max(second):
        return None
    result = scipy.stats.spearmanr(first, second)
    rho = float(np.clip(result.statistic, -1, 1))
    error = math.sqrt((1 + rho**2 / 2) / (n - 3))
    reach = float(scipy.special.ndtri((1 + CONFIDENCE) / 2)) * error
    center = math.atanh(rho) if abs(rho) < 1 else math.copysign(math.inf, rho)
    return RankCorrelation(
        round(rho, 15), (math.tanh(center - reach), math.tanh(center + reach)), float(result.pvalue), n
    )


def group_difference(first: Sequence[float], second: Sequence[float]) -> GroupDifference:
    """Return Cliff's delta with its interval and the Mann-Whitney test.

    The interval is Cliff's asymmetric one (Cliff, Psychological Bulletin 1993; Feng and Cliff, JMASM 2004),
    which allows groups of unequal spread, with the t quantile of the smaller group. Its coverage is near 95 %
    for moderate differences, and falls to about 85 % for groups of a dozen beyond 0.8. If the groups do not
    overlap it is that of a difference one pair smaller, so that it never has a width of 0.

    Args:
        first: (m,) finite values of a group, m >= 2.
        second: (n,) finite values of the other group, in the same unit; n >= 2.

    >>> group_difference([3, 4, 5], [1, 2, 3]).delta
    0.8888888888888888
    """
    m = len(first)
    n = len(second)
    dominance = np.sign(np.subtract.outer(np.asarray(first, float), np.asarray(second, float)))
    delta = float(dominance.mean())
    rows = float(((dominance.mean(axis=1) - delta) ** 2).sum())
    columns = float(((dominance.mean(axis=0) - delta) ** 2).sum())
    cells = float(((dominance - delta) ** 2).sum())
    variance = (n**2 * rows + m**2 * columns - cells) / (m * n * (m - 1) * (n - 1))
    largest = 1 - 1 / (m * n)
    inner = min(max(delta, -largest), largest)
    variance = max(variance, (1 - inner**2) / (m * n - 1))
    z2 = float(scipy.special.stdtrit(min(m, n) - 1, (1 + CONFIDENCE) / 2)) ** 2 * variance
    root = math.sqrt(z2 * ((1 - inner**2) ** 2 + z2))
    ends = [(inner - inner**3 + sign * root) / (1 - inner**2 + z2) for sign in (-1, 1)]
    is_constant = min(*first, *second) == max(*first, *second)
    p = 1.0 if is_constant else float(scipy.stats.mannwhitneyu(first, second, alternative="two-sided").pvalue)
    interval = max(min(ends[0], delta), -1.0), min(max(ends[1], delta), 1.0)
    return GroupDifference(delta, interval, p, (m, n))


def holm_adjusted(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for the number of tests, by Holm's step-down procedure.

    Rejecting those below 0.05 rejects any true hypothesis with a probability of at most 5 %, whatever the
    dependence of the tests.

    Args:
        p_values: (n,) p-values in [0, 1].

    Returns:
        (n,) adjusted p-values in [0, 1], in the same order.

    Source: Holm, Scandinavian Journal of Statistics 1979.

    >>> holm_adjusted([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, float)
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, np.arange(len(p), 0, -1) * p[order]))
    return list(map(float, adjusted))
