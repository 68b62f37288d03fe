"""Separation of known from unknown images by one score, which is higher for known images."""

from __future__ import annotations

import math

import numpy as np
import scipy
from numpy.typing import NDArray

from quba_check.stats.estimate import Estimate, SampleName, delta_method
from quba_check.stats.image_intervals import deviations
from quba_check.stats.intervals import Limits, Scores, share_limits

ImageScores = NDArray[np.float64]
REJECTED = 20
"""One in so many known images may be rejected: a true positive rate of 95 %."""


def auroc(known: ImageScores, unknown: ImageScores, samples: tuple[SampleName, SampleName]) -> Estimate:
    """Area under the ROC curve, with known images as the positive ones.

    This is the probability that a known image has the higher score; ties count one half. The influence of an
    image is the share of the other set that it is on the right side of, minus the area (DeLong et al.,
    Biometrics 1988).

    Args:
        known: (m,) finite scores, m at least 1.
        unknown: (n,) finite scores, n at least 1.
        samples: names of the known and of the unknown images.

    Returns:
        The area in [0, 1].

    >>> auroc(np.array([3.0, 2.0]), np.array([1.0, 2.0]), ("clean", "unknown")).value
    0.875
    """
    shares = _share_below(known, unknown), 1 - _share_below(unknown, known)
    terms = [(1.0, Estimate.mean(share, sample)) for share, sample in zip(shares, samples, strict=True)]
    return delta_method(float(shares[0].mean()), terms)


def auroc_limits(area: Estimate, z: Scores, effect: float = 1.0) -> Limits:
    """Limits of an area under the ROC curve, or of the mean of several.

    They are the exact limits of a share with DeLong's variance, in which each sample has one further image on
    the bad side. The variance of an area is at most that of a share of the smaller sample.

    Args:
        area: the area, as `auroc` returns it.
        z: (K,) normal scores.
        effect: factor by which groups of images reduce the number of images.

    Returns:
        (K,) limits in [0, 1].

    Source: DeLong et al., Biometrics 1988; the bound: Birnbaum and Klose, Annals of Mathematical Statistics
    1957.

    >>> area = auroc(np.arange(20.0, 40), np.arange(20.0), ("clean", "unknown"))
    >>> auroc_limits(area, np.array([-1.959964, 1.959964])).round(4).tolist()
    [0.8316, 1.0]
    """
    variance = area.standard_error**2 * effect
    farther = max(area.value, 1 - area.value)
    for sample, influences in area.influences.items():
        bounds = area.bounds[sample]
        _, number, largest = deviations(influences, bounds, effect)
        # After k deviating images, the next one deviates most of all with a probability of 1 / (k + 1).
        further = math.sqrt((number * largest**2 + max(bounds.up, bounds.down) ** 2) / (number + 1))
        step = further * effect / len(influences)
        variance, farther = variance + step**2, farther - step
    farther = max(farther, 0.5)
    smallest = min(map(len, area.influences.values())) / effect
    n = max(farther * (1 - farther) / variance, smallest)
    return share_limits(area.value * n, n, z)


def _share_below(scores: ImageScores, others: ImageScores) -> NDArray[np.float64]:
    """Share of other scores below each score; equal ones count one half."""
    ordered = np.sort(others)
    twice = np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")
    share: NDArray[np.float64] = twice / (2 * len(others))
    return share


def fpr_at_95_tpr(known: ImageScores, unknown: ImageScores) -> float:
    """False positive rate at a true positive rate of 95 %.

    The threshold is the highest score that accepts at least 95 % of the known images.

    Args:
        known: (m,) finite scores, m at least 1.
        unknown: (n,) finite scores, n at least 1.

    Returns:
        Share of unknown images with at least this score, in [0, 1]; lower is better.

    >>> fpr_at_95_tpr(np.arange(1.0, 21.0), np.array([0.5, 1.5, 2.0, 7.0]))
    0.5
    """
    return float(np.mean(unknown >= np.sort(known)[len(known) // REJECTED], dtype=np.float64))


def fpr_at_95_tpr_estimate(
    known: ImageScores, unknown: ImageScores, samples: tuple[SampleName, SampleName]
) -> Estimate:
    """False positive rate at a true positive rate of 95 %, with its sampling error.

    A known image moves the threshold, and the rate by the slope of the ROC curve there: that over two
    standard errors of the number of rejected images.

    Args:
        known: (m,) finite scores, m at least 1.
        unknown: (n,) finite scores, n at least 1.
        samples: names of the known and of the unknown images.
    """
    ordered = np.sort(known)
    m = len(known)
    rejected = m // REJECTED
    spread = math.sqrt(m * (REJECTED - 1)) / REJECTED
    ranks = np.clip([rejected - spread, rejected + spread], 0, m - 1).astype(np.intp)
    most, least = 1 - np.searchsorted(np.sort(unknown), ordered[ranks]) / len(unknown)
    below = known < ordered[rejected]
    accepted = unknown >= ordered[rejected]
    slopes = (most - least) * m / (2 * spread), 1.0
    means = (Estimate.mean(values, sample) for values, sample in zip((below, accepted), samples, strict=True))
    return delta_method(fpr_at_95_tpr(known, unknown), zip(slopes, means, strict=True))


def fpr_at_95_tpr_limits(known: ImageScores, unknown: ImageScores, z: Scores, effect: float = 1.0) -> Limits:
    """Limits of the false positive rate, with the error of the threshold.

    Two distances from the rate are combined in squares (Zou and Donner, Statistics in Medicine 2008): that of
    the Clopper-Pearson limits of a share, and that of the share at the limits of the threshold, which are
    scores of known images, by rank.

    Args:
        known: (m,) finite scores, m at least 1.
        unknown: (n,) finite scores, n at least 1.
        z: (K,) normal scores.
        effect: factor of the variance by groups, at least 1.

    Returns:
        (K,) limits; they may leave [0, 1].
    """
    rate = fpr_at_95_tpr(known, unknown)
    m = len(known)
    n = len(unknown)
    ranks = scipy.stats.binom.ppf(scipy.special.ndtr(-z), max(round(m / effect), 1), 1 / REJECTED) + (z < 0)
    positions = np.minimum(ranks * effect, m + 1).astype(np.intp)
    thresholds = np.concatenate([[-np.inf], np.sort(known), [np.inf]])[positions]
    accepted = 1 - np.searchsorted(np.sort(unknown), thresholds) / n
    own = share_limits(round(rate * n) / effect, n / effect, z)
    limits: Limits = rate + np.sign(z) * np.hypot(own - rate, accepted - rate)
    return limits
