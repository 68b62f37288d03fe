"""One-sided confidence limits of shares, ratios and their means, as functions of the normal score z.

Each function takes an array of scores and gives a limit for each: at z = −1.645 the lower limit that holds in
95 % of samples, at z = +1.645 the upper one. Both together are a 90 % interval.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from quba_check.stats.estimate import Estimate

Scores = NDArray[np.float64]
Limits = NDArray[np.float64]

FEW_EVENTS = 30
"""Hits below which the normal approximation of a logarithm is not trusted."""
DENOMINATOR_SHARE = 0.05
"""Share of the error probability that the exact limit of a ratio spends on its denominator."""


def wilson(hits: int, n: int, z: Scores) -> Limits:
    """Wilson's score limits of a share.

    Args:
        hits: successes, 0 to n.
        n: trials, at least 1.
        z: scores.

    Returns:
        Limits in [0, 1]: no hits have the lower limit 0, n hits the upper limit 1.

    Source: Wilson, JASA 1927.

    >>> wilson(15, 20, np.array([-1.959964, 1.959964])).round(4).tolist()
    [0.5313, 0.8881]
    """
    share, room = hits / n, z * z / n
    limits = (share + room / 2 + z * np.sqrt(share * (1 - share) / n + room / (4 * n))) / (1 + room)
    ends = [(hits == 0) & (z <= 0), (hits == n) & (z >= 0)]  # exactly, whatever the root is rounded to
    return np.select(ends, [0.0, 1.0], np.clip(limits, 0.0, 1.0))


def clopper_pearson(hits: int, n: int, z: Scores) -> Limits:
    """Exact limits of a share: they hold at least as often as they say, however few the hits.

    Source: Clopper and Pearson, Biometrika 1934.

    >>> clopper_pearson(0, 20, np.array([-1.959964, 1.959964])).round(4).tolist()
    [0.0, 0.1684]
    """
    level = special.ndtr(z)
    low = special.betaincinv(hits, n - hits + 1, level) if hits else np.zeros_like(z)
    high = special.betaincinv(hits + 1, n - hits, level) if hits < n else np.ones_like(z)
    limits: Limits = np.select([z < 0, z > 0], [low, high], hits / n)
    return limits


def on_log_scale(estimate: Estimate, z: Scores) -> Limits:
    """Normal limits of the logarithm of a number above 0, taken back."""
    with np.errstate(invalid="ignore"):  # an endless error times the score 0
        limits: Limits = estimate.value * np.exp(z * estimate.standard_error / estimate.value)
    return limits


def symmetric(estimate: Estimate, z: Scores) -> Limits:
    """Normal limits around a number."""
    with np.errstate(invalid="ignore"):
        return estimate.value + z * estimate.standard_error


def exact_ratio(hits: int, n: int, others: int, m: int, z: Scores) -> Limits:
    """Limits of the ratio of two shares that hold however few the hits, shared images or not.

    The limit of the numerator over the opposite limit of the denominator; the error probability is divided
    between the two (Bonferroni), so that these hold more often than they say.

    Args:
        hits: successes of the numerator among n.
        n: its trials.
        others: successes of the denominator among m, at least 1.
        m: its trials.
        z: scores.
    """
    above = clopper_pearson(hits, n, bonferroni_scores(z, 1 - DENOMINATOR_SHARE))
    below = clopper_pearson(others, m, -bonferroni_scores(z, DENOMINATOR_SHARE))
    limits: Limits = above / below
    return limits


def geometric_mean(limits: Sequence[Limits]) -> Limits:
    """Limits of a geometric mean of k numbers, from the limits of each at Bonferroni scores.

    Args:
        limits: of each number, at scores `bonferroni_scores(z, 1 / k)`.
    """
    product: Limits = np.prod(np.stack(limits), axis=0) ** (1 / len(limits))
    return product


def bonferroni_scores(z: Scores, share: float) -> Scores:
    """The scores whose tails are a share of the tails of z; 0 stays 0.

    >>> bonferroni_scores(np.array([1.644854]), 0.5).round(4).tolist()
    [1.96]
    """
    reach = -special.ndtri(special.ndtr(-np.abs(z)) * share)
    scores: Scores = np.where(z == 0, 0.0, np.sign(z) * reach)
    return scores
