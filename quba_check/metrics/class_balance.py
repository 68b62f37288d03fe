"""How sure a class balance is, and how much of it is noise.

Class accuracies of a perfectly balanced model differ by chance, the more the fewer images a class has; and a
standard deviation of few numbers comes out too small. Images are taken as drawn within their classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quba_check.stats.estimate import Estimate, Sample

Column = NDArray[np.float64]

MANY_CLASSES = 30
"""Classes from which a mean over them is steady."""
LEAST_FOR_MOMENTS = 4
"""Images a class needs for its fourth moment, and for a jackknife that is worth something."""

ROOT_CORRECTION = 0.8
"""Errors of an excess variance that its root is corrected for. At 1 the second order is made up for exactly,
which is too much for an excess of little more than its error. At 0.8 the mean of the root is within 0.03
roots of the error, from an excess of 1.25 errors on (normal noise)."""


@dataclass(frozen=True, slots=True, eq=False)
class Evenness:
    """One part of class balance: 1 minus a spread.

    Attributes:
        estimate: the part, with what each image adds to it.
        debiased: estimate of the part on endless images.
    """

    estimate: Estimate
    debiased: float


def accuracy_evenness(
    label: NDArray[np.int64], right: NDArray[np.bool_], *, classes: int, sample: Sample
) -> Evenness:
    """1 − standard deviation (ddof 1) of the class accuracies.

    The variance of the observed accuracies is that of the true ones plus the mean binomial variance; the
    latter is taken off for `debiased`, and its share of the deviations is counted once instead of twice.

    Args:
        label: (N,) class of each image.
        right: (N,) whether the chosen class is the label.
        classes: number of classes, each with at least two images.
        sample: names the images.
    """
    counts = np.bincount(label, minlength=classes)
    accuracy = np.bincount(label, weights=right, minlength=classes) / counts
    binomial = accuracy * (1 - accuracy) / (counts - 1)
    off = accuracy - accuracy.mean()
    variance = float(off @ off) / (classes - 1)
    plain = 4 * float(off * off @ binomial) / (classes - 1) ** 2
    noise = 2 * float(binomial @ binomial) / (classes - 1) ** 2
    if classes >= MANY_CLASSES and counts.min() >= LEAST_FOR_MOMENTS:
        squared = _unbiased(counts, accuracy)
    else:  # the mean is one of the same accuracies: off² is that much too small where it is noise
        squared = plain * classes / (classes - 1) - noise
    error = math.sqrt(max(squared, noise))  # of the variance
    spread = math.sqrt(variance)
    slope = -1 / max(2 * spread, math.sqrt(error)) if error > 0 else 0.0
    narrowing = error / math.sqrt(plain) if plain > 0 else 0.0
    per_class = slope * narrowing * 2 * off / (classes - 1) / np.sqrt(counts * (counts - 1.0))
    deviations = len(label) * per_class[label] * (right - accuracy[label])
    excess = variance - float(binomial.mean())
    # A root of what varies comes out too small.
    whole = math.sqrt((excess + math.hypot(excess, ROOT_CORRECTION * error)) / 2)
    return Evenness(Estimate(1 - spread, {sample: deviations}), 1 - whole)


def _unbiased(counts: NDArray[np.int64], accuracy: Column) -> float:
    """Variance that images add to the variance of class accuracies, without bias, around a mean that stands.

    For h hits of n, q = (h/n − mean)² has the mean A + Bp + Cp². The square of that is estimated by factorial
    moments, p^j by h(h−1)… / n(n−1)…, and taken off q². This is right however skewed the accuracies are,
    where 4 · (h/n − mean)² · variance is too small; of few classes it varies much.

    Args:
        counts: images of each class, at least `LEAST_FOR_MOMENTS`.
        accuracy: accuracies of the classes.
    """
    mean, hits = accuracy.mean(), accuracy * counts
    power = [np.ones(len(counts))]
    for j in range(LEAST_FOR_MOMENTS):
        power.append(power[-1] * (hits - j) / (counts - j))
    a, b, c = mean**2, 1 / counts - 2 * mean, 1 - 1 / counts
    square = (
        a**2 + 2 * a * b * power[1] + (b**2 + 2 * a * c) * power[2] + 2 * b * c * power[3] + c**2 * power[4]
    )
    return float(((accuracy - mean) ** 4 - square).sum()) / (len(counts) - 1) ** 2


def confidence_evenness(
    label: NDArray[np.int64], true_probability: NDArray[np.float32], *, classes: int, sample: Sample
) -> Evenness:
    """1 − mean over classes of the standard deviation (ddof 0) of the true-class probability in the class.

    Both what an image adds and `debiased` are the jackknife's, from the spread of its class without it:
    probabilities are so skewed that to first order twenty images a class understate the error by a sixth.
    With a class of fewer than `LEAST_FOR_MOMENTS` images what images add is read off how much the spreads of
    classes differ, which is too much rather than too little.

    Args:
        label: (N,) class of each image.
        true_probability: (N,) float32, probability of the labelled class.
        classes: number of classes, each with at least two images.
        sample: names the images.
    """
    counts = np.bincount(label, minlength=classes)
    p = true_probability.astype(np.float64)
    off = p - (np.bincount(label, weights=p, minlength=classes) / counts)[label]
    squares = np.bincount(label, weights=off**2, minlength=classes)
    spread = np.sqrt(squares / counts)
    n = counts[label]
    without = np.sqrt(np.maximum(squares[label] - off**2 * n / (n - 1), 0.0) / (n - 1))  # each image
    typical = np.bincount(label, weights=without, minlength=classes) / counts
    if counts.min() < LEAST_FOR_MOMENTS:
        apart = (spread.mean() - spread) / np.sqrt(counts) * math.sqrt(classes / (classes - 1))
        deviations = len(label) / classes * apart[label]
    else:
        deviations = len(label) / classes * (n - 1) / n * (without - typical[label])
    whole = counts * spread - (counts - 1) * typical
    return Evenness(Estimate(float(1 - spread.mean()), {sample: deviations}), float(1 - whole.mean()))
