"""Class balance: evenness of accuracy and confidence over the classes, with sampling errors.

Class accuracies of a perfectly balanced model differ by chance, the more the fewer images a class has, and
the standard deviation of few numbers is too small on average. Images are taken as drawn within their classes.

Source: class balance of arXiv 2503.17110 as its released code computes it, which takes the spread of
confidence within a class. The spread between classes is reported in addition.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quba_check.stats.estimate import Estimate, SampleName

ClassColumn = NDArray[np.float64]

LEAST_IMAGES = 2
"""Images that each class needs for a spread within it."""
MANY_CLASSES = 30
"""Classes from which on their mean has little sampling error."""
LEAST_FOR_MOMENTS = 4
"""Images of a class that its fourth moment and the jackknife need."""
NO_SPREAD = 1e-6
"""Standard deviation of probabilities in float32 below which they are the same."""

ROOT_CORRECTION = 0.8
"""Standard errors of an excess variance for which its root is corrected. 1 corrects the second order exactly,
which is too much for an excess near its standard error. With 0.8 the mean of the root is within 0.03 roots of
the true one, from an excess of 1.25 standard errors on (normal noise)."""


@dataclass(frozen=True, slots=True, eq=False)
class Evenness:
    """One part of class balance: 1 minus a spread.

    Attributes:
        estimate: the part, at most 1 (even), with its sampling error.
        debiased: the part expected on infinitely many images.
        hidden_error: standard error that these images do not show, because no class varies; else 0.
    """

    estimate: Estimate
    debiased: float
    hidden_error: float = 0.0


def class_means(label: NDArray[np.int64], values: NDArray[Any], *, classes: int) -> ClassColumn:
    """Return the mean of a column in each class.

    Args:
        label: (N,) class of each image, 0 to classes − 1.
        values: (N,) a column in any unit.
        classes: number of classes C, each with an image.

    Returns:
        (C,) the means, in the unit of the column.

    >>> class_means(np.array([0, 1, 1]), np.array([True, True, False]), classes=2).tolist()
    [1.0, 0.5]
    """
    return np.bincount(label, weights=values, minlength=classes) / np.bincount(label, minlength=classes)


def accuracy_evenness(
    label: NDArray[np.int64], correct: NDArray[np.bool_], *, classes: int, sample: SampleName
) -> Evenness:
    r"""1 − standard deviation (ddof 1) of the class accuracies.

    ```math
    1 - \sqrt{\frac{1}{C - 1} \sum_{k=1}^{C} (a_k - \bar{a})^2}
    ```

    The variance of the observed accuracies is that of the true ones plus the mean binomial variance.
    `debiased` subtracts the latter; the influences count its share once instead of twice.

    Args:
        label: (N,) class of each image, 0 to classes − 1.
        correct: (N,) bool, True if the predicted class is the label.
        classes: number of classes, at least two, each with at least two images.
        sample: name of these images.

    Returns:
        The evenness in [0, 1]; higher is more even.

    Examples:
        >>> correct = np.array([True, True, True, False])
        >>> evenness = accuracy_evenness(np.array([0, 0, 1, 1]), correct, classes=2, sample="clean")
        >>> round(evenness.estimate.value, 6)
        0.646447
    """
    counts = np.bincount(label)
    accuracy = class_means(label, correct, classes=classes)
    binomial = accuracy * (1 - accuracy) / (counts - 1)
    off = accuracy - accuracy.mean()
    variance = float(off @ off) / (classes - 1)
    first_order, standard_error = _error_of_variance(counts, accuracy, binomial)
    spread = math.sqrt(variance)
    slope = -1 / max(2 * spread, math.sqrt(standard_error)) if standard_error > 0 else 0.0
    correction = standard_error / math.sqrt(first_order) if first_order > 0 else 0.0
    per_class = slope * correction * 2 * off / (classes - 1) / np.sqrt(counts * (counts - 1.0))
    influences = len(label) * per_class[label] * (correct - accuracy[label])
    excess = variance - float(binomial.mean())
    # The root of a noisy number is too small on average.
    true_spread = math.sqrt((excess + math.hypot(excess, ROOT_CORRECTION * standard_error)) / 2)
    hidden = 0.0 if binomial.any() else _hidden_error_of_accuracy(counts, accuracy)
    return Evenness(Estimate(1 - spread, {sample: influences}), 1 - true_spread, hidden)


def _error_of_variance(
    counts: NDArray[np.int64], accuracy: ClassColumn, binomial: ClassColumn
) -> tuple[float, float]:
    """Return the squared first-order error and the whole error of a variance of accuracies.

    Args:
        counts: (C,) images of each class.
        accuracy: (C,) accuracies of the classes, in [0, 1].
        binomial: (C,) sampling variance of each.
    """
    classes = len(counts)
    off = accuracy - accuracy.mean()
    first_order = 4 * float(off * off @ binomial) / (classes - 1) ** 2
    noise = 2 * float(binomial @ binomial) / (classes - 1) ** 2
    if classes >= MANY_CLASSES and counts.min() >= LEAST_FOR_MOMENTS:
        error_squared = _variance_of_variance(counts, accuracy)
    else:  # `off` is from the mean of the same accuracies, which makes its noise too small by this factor
        error_squared = first_order * classes / (classes - 1) - noise
    return first_order, math.sqrt(max(error_squared, noise))


def _hidden_error_of_accuracy(counts: NDArray[np.int64], accuracy: ClassColumn) -> float:
    """Return the standard error of the evenness if each class is all right or wrong.

    The binomial variance is then 0, although another sample could differ. It is taken at the accuracy after
    half a right and half a wrong image more.

    Args:
        counts: (C,) images of each class.
        accuracy: (C,) accuracies of the classes, 0 or 1.
    """
    likely = (accuracy * counts + 0.5) / (counts + 1)
    _, error = _error_of_variance(counts, likely, likely * (1 - likely) / counts)
    return error / max(2 * float(likely.std(ddof=1)), math.sqrt(error))


def _variance_of_variance(counts: NDArray[np.int64], accuracy: ClassColumn) -> float:
    """Unbiased sampling variance of the variance of class accuracies, around a fixed mean.

    For h hits of n, q = (h/n − mean)² has the mean A + Bp + Cp². Its square is estimated by factorial
    moments, p^j by h(h−1)… / n(n−1)…, and subtracted from q². This is right however skewed the accuracies
    are, where 4 · (h/n − mean)² · variance is too small; with few classes it has a large variance.

    Args:
        counts: (C,) images of each class, at least `LEAST_FOR_MOMENTS`.
        accuracy: (C,) accuracies of the classes, in [0, 1].
    """
    mean = accuracy.mean()
    hits = accuracy * counts
    power = [np.ones(len(counts))]
    for j in range(LEAST_FOR_MOMENTS):
        power.append(power[-1] * (hits - j) / (counts - j))
    a = mean**2
    b = 1 / counts - 2 * mean
    c = 1 - 1 / counts
    square = (
        a**2 + 2 * a * b * power[1] + (b**2 + 2 * a * c) * power[2] + 2 * b * c * power[3] + c**2 * power[4]
    )
    return float(((accuracy - mean) ** 4 - square).sum()) / (len(counts) - 1) ** 2


def confidence_evenness(
    label: NDArray[np.int64], true_probability: NDArray[np.float32], *, classes: int, sample: SampleName
) -> Evenness:
    r"""1 − mean over classes of the standard deviation (ddof 0) of the true-class probability.

    ```math
    1 - \frac{1}{C} \sum_{k=1}^{C} \sqrt{\frac{1}{n_k} \sum_{i \in k} (p_i - \bar{p}_k)^2}
    ```

    Influences and `debiased` come from the jackknife within each class: probabilities are so skewed that the
    first order understates the error of twenty images a class by a sixth. If a class has fewer than
    `LEAST_FOR_MOMENTS` images, the error comes from the variation of the spread between classes, which
    rather overstates it.

    Args:
        label: (N,) class of each image, 0 to classes − 1.
        true_probability: (N,) float32, probability of the labelled class, in [0, 1].
        classes: number of classes, at least two, each with at least two images.
        sample: name of these images.

    Returns:
        The evenness in [0, 1]; higher is more even.

    Examples:
        >>> p = np.array([0.9, 0.7, 0.6, 0.6], dtype=np.float32)
        >>> evenness = confidence_evenness(np.array([0, 0, 1, 1]), p, classes=2, sample="clean")
        >>> round(evenness.estimate.value, 6)
        0.95
    """
    counts = np.bincount(label)
    p = true_probability.astype(np.float64)
    off = p - class_means(label, p, classes=classes)[label]
    squares = np.bincount(label, weights=off**2, minlength=classes)
    spread = np.sqrt(squares / counts)
    n = counts[label]
    spread_without = np.sqrt(np.maximum(squares[label] - off**2 * n / (n - 1), 0.0) / (n - 1))  # each image
    mean_without = class_means(label, spread_without, classes=classes)
    if counts.min() < LEAST_FOR_MOMENTS:
        off_mean = (spread.mean() - spread) / np.sqrt(counts) * math.sqrt(classes / (classes - 1))
        influences = len(label) / classes * off_mean[label]
    else:
        influences = len(label) / classes * (n - 1) / n * (spread_without - mean_without[label])
    jackknife = counts * spread - (counts - 1) * mean_without
    hidden = 0.0
    if spread.max() < NO_SPREAD:  # allow for one more image, which is as far off as a probability can be
        share = 1 / (len(label) + 1)
        hidden = math.sqrt(share * (1 - share)) * float(np.maximum(p, 1 - p).mean())
    estimate = Estimate(float(1 - spread.mean()), {sample: influences})
    return Evenness(estimate, float(1 - jackknife.mean()), hidden)


def between_class_evenness(
    label: NDArray[np.int64], true_probability: NDArray[np.float32], *, classes: int
) -> float:
    """1 − standard deviation (ddof 1) of the classes' mean true-class probability.

    Args:
        label: (N,) class of each image, 0 to classes − 1.
        true_probability: (N,) float32, probability of the labelled class, in [0, 1].
        classes: number of classes, at least two, each with at least two images.

    Returns:
        The evenness in [0, 1]; higher is more even.
    """
    return float(1 - np.std(class_means(label, true_probability, classes=classes), ddof=1))
