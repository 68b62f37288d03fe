"""Confidence limits of functions of shares, valid with few discordant images.

A ratio of two accuracies on the same images varies with the discordant images: right in one, wrong in the
other. With few of them its standard error is too small, and 0 with none. The limits here stay valid:

1. The influences of a sample are split into those above 0 and those below. If all influences on one side are
   equal, their mean has Clopper–Pearson limits. Unequal ones count as the number of equal influences with the
   same mean and variance (the effective number of Fay and Feuer, Statistics in Medicine 1997).
2. For the limit away from 0, one further image is added. Its influence is the largest possible one; with many
   deviating images it shrinks to the largest observed one: after k equal influences, the next one is the
   largest with a probability of 1 / (k + 1).
3. If no image deviates to one side, no group shows whether its images would do so together. Each group then
   counts as one image for that side.
4. The distances from the mean on both sides are combined in squares with their correlation (Zou and Donner,
   Statistics in Medicine 2008), and so are those of independent samples.

With many deviating images these are the normal limits.
"""

from __future__ import annotations

import numpy as np
import scipy

from quba_check.stats.estimate import Estimate, InfluenceBounds, Influences
from quba_check.stats.intervals import FEW_EVENTS, Limits, Scores

_ROUNDING = 1e-9
"""Part of the largest possible influence below which an influence is a rounding error."""


def additive_limits(estimate: Estimate, z: Scores, effect: float = 1.0, group_size: float = 1.0) -> Limits:
    """Limits of a number at normal scores.

    Args:
        estimate: the number, with the bounds of each sample.
        z: (K,) normal scores.
        effect: factor by which groups of images reduce the number of images.
        group_size: the least such factor for a side to which no image deviates from most others.

    Returns:
        (K,) limits in the unit of the number.

    >>> clean = np.ones(1000, bool)
    >>> same = Estimate.mean(clean, "clean") / Estimate.mean(clean, "clean", is_reference=True)
    >>> additive_limits(same, np.array([-1.959964, 1.959964])).round(4).tolist()
    [0.9963, 1.0037]
    """
    level = scipy.special.ndtr(np.abs(z))
    opposite = scipy.special.ndtr(-np.abs(z))
    up, down = np.zeros_like(z), np.zeros_like(z)
    for sample, influences in estimate.influences.items():
        bounds = estimate.bounds[sample]
        rounded, effective, largest = deviations(influences, bounds, effect)
        has_up, has_down = _deviating_sides(rounded, bounds)
        effect_above = effect if has_up else max(effect, group_size)
        further = _next_influence(bounds.up, largest, min(effective, bounds.up_images))
        mean, variance, inner, outer = _side(np.maximum(rounded, 0.0), further, level, opposite, effect_above)
        effect_below = effect if has_down else max(effect, group_size)
        further = _next_influence(bounds.down, largest, min(effective, bounds.down_images))
        below = _side(np.maximum(-rounded, 0.0), further, level, opposite, effect_below)
        mean_below, variance_below, inner_below, outer_below = below
        # Each image is on one of the sides at most.
        spread = float(np.sqrt(max(variance, 0.0) * max(variance_below, 0.0)))
        correlation = max(-1.0, -mean * mean_below / spread) if spread else 0.0
        up += _squared_distance(outer, inner_below, correlation)
        down += _squared_distance(inner, outer_below, correlation)
    return estimate.value + np.select([z > 0, z < 0], [np.sqrt(up), -np.sqrt(down)], 0.0)


def multiplicative_limits(estimate: Estimate, z: Scores, effect: float = 1.0) -> Limits:
    """Limits of a number above 0, from those of its logarithm.

    Args:
        estimate: the number, with the bounds of each sample.
        z: (K,) normal scores.
        effect: see `additive_limits`.

    Returns:
        (K,) limits above 0, in the unit of the number.
    """
    limits: Limits = np.exp(additive_limits(estimate.log(), z, effect))
    return limits


def ratio_limits(estimate: Estimate, z: Scores, effect: float = 1.0) -> Limits:
    """Limits of a ratio.

    Upper limits are those of its logarithm unless it is near 0. The lower limits of the
    logarithm are too high for ten to a hundred hits.

    Args:
        estimate: the ratio, with the bounds of each sample.
        z: (K,) normal scores.
        effect: see `additive_limits`.

    Returns:
        (K,) limits of the ratio.
    """
    limits = additive_limits(estimate, z, effect)
    if is_near_zero(estimate, effect):
        return limits
    return np.where(z > 0, multiplicative_limits(estimate, z, effect), limits)


def is_near_zero(estimate: Estimate, effect: float = 1.0) -> bool:
    """True if a number is as near 0 as a share with `FEW_EVENTS` hits.

    Nearness is counted in standard errors.
    """
    return estimate.value**2 <= FEW_EVENTS * effect * estimate.standard_error**2


def deviations(
    influences: Influences, bounds: InfluenceBounds, effect: float = 1.0
) -> tuple[Influences, float, float]:
    """Return influences without rounding errors, the number of deviating images, and the largest deviation.

    Args:
        influences: (n,) influences of a sample, in the unit of the number.
        bounds: their bounds.
        effect: see `additive_limits`.
    """
    possible = max(bounds.up, bounds.down)
    rounded = np.where(np.abs(influences) > _ROUNDING * possible, influences, 0.0)
    squares = rounded * rounded
    total = float(squares.sum())
    effective = total**2 / float(squares @ squares) if total else 0.0
    largest = float(np.abs(rounded).max())
    if effect > 1 and total:  # the images of a group are partly alike: it is less extreme than one image
        largest -= (largest - float(np.sqrt(squares @ squares / total))) * (1 - effect ** (-1 / 3))
    return rounded, effective, largest


def _deviating_sides(influences: Influences, bounds: InfluenceBounds) -> tuple[bool, bool]:
    """Return whether images deviate up, and down, from most of those with an influence."""
    if not influences.any():
        return True, True
    middle = float(np.median(influences[influences != 0]))
    rounding = _ROUNDING * max(bounds.up, bounds.down)
    return bool(influences.max() > middle + rounding), bool(influences.min() < middle - rounding)


def _next_influence(possible: float, largest: float, count: float) -> float:
    """Return the influence assumed for one further image."""
    return min(possible, (count * largest + possible) / (count + 1))


def _side(
    influences: Influences, further: float, level: Limits, opposite: Limits, effect: float
) -> tuple[float, float, Limits, Limits]:
    """Return mean and variance of influences on one side of 0, and distances of limits.

    The influences are positive; those of images on the other side are 0. The first (K,) distances are those
    of the limit nearer to 0.
    """
    n = len(influences) / effect
    total = float(influences.sum()) / effect
    squares = float(influences @ influences) / effect
    mean = total / n
    outer = _upper_limit(n, total + further, squares + further**2, level) - mean
    inner = mean - _lower_limit(n, total, squares, opposite)
    return mean, squares / n - mean**2, np.maximum(inner, 0.0), np.maximum(outer, 0.0)


def _lower_limit(n: float, total: float, squares: float, level: Limits) -> Limits:
    if total == 0:
        return np.zeros_like(level)
    count = min(total**2 / squares, n)
    limits: Limits = squares / total * scipy.special.betaincinv(count, n - count + 1, level)
    return limits


def _upper_limit(n: float, total: float, squares: float, level: Limits) -> Limits:
    """Return the upper limit of a mean, from sums that include the further image."""
    if total == 0:
        return np.zeros_like(level)
    count = total**2 / squares
    size = squares / total
    others = n + 1 - count
    share = scipy.special.betaincinv(count, others, level) if others > _ROUNDING else np.ones_like(level)
    return size * share


def _squared_distance(limits: Limits, other: Limits, correlation: float) -> Limits:
    """Square of the distance of above − below."""
    return limits**2 + other**2 - 2 * correlation * limits * other
