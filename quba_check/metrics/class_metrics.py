"""Numbers of single classes: rates, F1, AUROC, thresholds, and means over classes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from quba_check.metrics.selective import threshold_for_accuracy, threshold_for_share
from quba_check.metrics.separation import auroc
from quba_check.stats.estimate import Estimate, InfluenceBounds, SampleName, delta_method
from quba_check.stats.intervals import FEW_EVENTS, Limits, Scores, exact_ratio_limits, share_limits

ClassIndices = NDArray[np.int64]
Mask = NDArray[np.bool_]
Counts = NDArray[np.int64]
OfEachClass = Literal["recall", "specificity", "precision", "f1"]
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class ClassCounts:
    """For each of C classes, the counts of a share.

    The share J of `f1` is TP / (TP + FP + FN), so that F1 = 2J / (1 + J); other numbers are shares.

    Attributes:
        hits: (C,) images that count as a success.
        n: (C,) images that count; 0 if the class has none.
    """

    hits: Counts
    n: Counts

    @property
    def shares(self) -> NDArray[np.float64]:
        """(C,) the shares; 0 for a class without images that count."""
        shares: NDArray[np.float64] = self.hits / np.maximum(self.n, 1)
        return shares


def class_counts(
    metric: OfEachClass, label: ClassIndices, predicted: ClassIndices, classes: int
) -> ClassCounts:
    """Return the counts behind a number of each class against the rest.

    Args:
        metric: the number.
        label: (n,) class of each image; below 0 for images of no class.
        predicted: (n,) predicted classes.
        classes: number C of classes.

    >>> class_counts("precision", np.array([0, 0, 1]), np.array([0, 1, 1]), 2).shares.tolist()
    [1.0, 0.5]
    """
    images, calls, hits = (
        np.bincount(of[of >= 0], minlength=classes) for of in (label, predicted, label[label == predicted])
    )
    match metric:
        case "recall":
            return ClassCounts(hits, images)
        case "precision":
            return ClassCounts(hits, calls)
        case "specificity":
            others = len(label) - images
            return ClassCounts(others - (calls - hits), others)
        case "f1":
            return ClassCounts(hits, images + calls - hits)


def rows_of_share(metric: str, is_of: Mask, is_called: Mask) -> tuple[Mask, Mask]:
    """Return the rows behind a share of a class, and the hits among them.

    Args:
        metric: the share; for `f1` that of `ClassCounts`.
        is_of: (r,) bool, True for the rows of the class.
        is_called: (r,) bool, True for the rows that are called so.

    Raises:
        ValueError: the number is no share of a class.
    """
    match metric:
        case "specificity":
            return ~is_of, ~is_called
        case "precision":
            return is_called, is_of
        case "npv":
            return ~is_called, ~is_of
        case "f1":
            return is_of | is_called, is_of & is_called
        case "recall" | "confusion":
            return is_of, is_called
    raise ValueError(f"'{metric}' is no share of a class")


def macro_mean(
    metric: Literal["recall", "precision", "f1"],
    label: ClassIndices,
    predicted: ClassIndices,
    classes: int,
    sample: SampleName,
) -> Estimate:
    """Unweighted mean of a number over the classes that have images.

    Precision and F1 of a class that is never predicted count as 0.

    Args:
        metric: the number.
        label: (n,) class of each image; below 0 for images of no class, one class at least.
        predicted: (n,) predicted classes.
        classes: number of classes.
        sample: name of the images.

    Returns:
        The mean in [0, 1].

    Source: balanced accuracy (recall): Brodersen et al., ICPR 2010; F1 as the mean of the classes' F1:
    Opitz and Burst, arXiv 1911.03347.

    >>> macro_mean("recall", np.array([0, 0, 1]), np.array([0, 1, 1]), 2, "clean").value
    0.75
    """
    n = len(label)
    images = class_counts("recall", label, predicted, classes)
    has_images = images.n > 0
    number = int(has_images.sum())
    right = (label == predicted).astype(np.float64)
    is_of = label >= 0
    is_called = (predicted >= 0) & has_images[predicted]
    counts = images if metric == "recall" else class_counts("precision", label, predicted, classes)
    totals = counts.n
    size = 1.0
    if metric == "f1":
        totals = images.n + counts.n
        size = 2.0
    values = size * counts.hits / np.maximum(totals, 1)
    weight = n / (number * np.maximum(totals, 1))
    influences = np.zeros(n)
    if metric != "precision":
        influences += np.where(is_of, weight[label] * (size * right - values[label]), 0.0)
    if metric != "recall":
        hit = right if metric == "precision" else 0.0
        influences += np.where(is_called, weight[predicted] * (hit - values[predicted]), 0.0)
    # A class without a failure may have a low rate: the bounds do not shrink with failures of other classes
    # (0 images of the bound, as in Fay and Feuer, Statistics in Medicine 1997).
    largest = size * float(weight[has_images].max())
    value = math.fsum(values[has_images]) / number
    return Estimate(value, {sample: influences}, {sample: InfluenceBounds(largest, largest, 0, 0)})


def restated_share(prevalence: float, hits: Estimate, false: Estimate) -> Estimate:
    """Precision, or negative predictive value, at another share of the class.

    Args:
        prevalence: the share of the images that should be called so, above 0 and below 1; for the negative
            predictive value, that of the other images.
        hits: the share of these images that is called so: recall, or specificity.
        false: the share of all others that is called so, not both 0.

    Source: Altman and Bland, BMJ 1994 (309:102).

    >>> restated_share(0.02, Estimate(0.95), Estimate(0.1)).value.__round__(4)
    0.1624
    """
    p = prevalence
    q = 1 - prevalence
    total = p * hits.value + q * false.value
    slope = p * q / total**2
    return delta_method(p * hits.value / total, [(slope * false.value, hits), (-slope * hits.value, false)])


def restated_share_limits(
    prevalence: float, of_class: tuple[float, float], of_others: tuple[float, float], z: Scores
) -> Limits:
    """Limits of `restated_share`, from those of the ratio of both shares.

    Args:
        prevalence: see `restated_share`.
        of_class: counts (k, n): images of the class that are called so, and all images of the class, above 0;
            with groups all counts are divided by the design effect.
        of_others: counts (j, m): other images that are called so, not 0 if k is, and all others, above 0.
        z: (K,) normal scores.

    Returns:
        (K,) limits in [0, 1].
    """
    if of_class[0] > of_others[0]:  # the larger count is the denominator, which must not be 0
        odds = (1 - prevalence) / prevalence * _ratio_limits(*of_others, *of_class, -z)
        return 1 / (1 + odds)
    odds = prevalence / (1 - prevalence) * _ratio_limits(*of_class, *of_others, z)
    return 1 - 1 / (1 + odds)  # also for infinite odds


def _ratio_limits(hits: float, n: float, others: float, m: float, z: Scores) -> Limits:
    """Limits of a ratio of two shares of different images.

    The distances of both shares from their limits are combined in squares, on the scale of logarithms (Zou
    and Donner, Statistics in Medicine 2008); with few events the limits are exact and wider.
    """
    if min(hits, others) < FEW_EVENTS:
        return exact_ratio_limits(hits, n, others, m, z)
    shares = hits / n, others / m
    own = share_limits(hits, n, z) / shares[0]
    other = share_limits(others, m, -z) / shares[1]
    limits: Limits = shares[0] / shares[1] * np.exp(np.sign(z) * np.hypot(np.log(own), np.log(other)))
    return limits


def f1_limits(hits: float, n: float, z: Scores) -> Limits:
    """Limits of F1, from those of the share TP / (TP + FP + FN).

    Args:
        hits: true positives; with groups both counts are divided by the design effect.
        n: true and false positives and false negatives, above 0.
        z: (K,) normal scores.

    Returns:
        (K,) limits in [0, 1].
    """
    shares = share_limits(hits, n, z)
    limits: Limits = 2 * shares / (1 + shares)
    return limits


def one_vs_rest_auroc(
    scores: NDArray[np.float32], is_of: Mask, sample: SampleName
) -> tuple[Estimate, Estimate]:
    """Area under the ROC curve of a class against the rest.

    Args:
        scores: (n,) probability of the class.
        is_of: (n,) bool, True for its images; at least one, and one of the others.
        sample: name of the images.

    Returns:
        The area with the influences of two independent samples, of the class and of the rest (DeLong et al.,
        Biometrics 1988), and with those of the images of one sample.
    """
    area = auroc(scores[is_of].astype(np.float64), scores[~is_of].astype(np.float64), ("of", "rest"))
    influences = np.empty(len(scores))
    for name, rows in (("of", is_of), ("rest", ~is_of)):
        influences[rows] = area.influences[name] * (len(scores) / np.count_nonzero(rows))
    return area, Estimate(area.value, {sample: influences})


def class_scores(probabilities: NDArray[np.float32], classes: tuple[int, ...]) -> NDArray[np.float32]:
    """Return the (n,) probability of classes taken together.

    Args:
        probabilities: (n, C) in [0, 1].
        classes: (k,) numbers of the classes, 0 to C - 1.
    """
    total: NDArray[np.float64] = probabilities[:, list(classes)].sum(axis=1, dtype=np.float64)
    return total.astype(np.float32)


def threshold_at(rule: str, level: float, scores: NDArray[np.float32], is_of: Mask) -> float | None:
    """Return the threshold with at least a recall, specificity or precision, on given images.

    An image is called the class if its score is at least the threshold.

    Args:
        rule: `specificity` for the lowest threshold that reaches it, `recall` for the highest one; of
            `precision`, see `threshold_for_accuracy`.
        level: the recall, specificity or precision, in (0, 1].
        scores: (n,) probability of the class; n at least 1.
        is_of: (n,) bool, True for its images; for `recall` at least one, for `specificity` one of the others.

    Returns:
        One of the scores; None if no score has the specificity or precision.

    >>> scores = np.array([0.1, 0.2, 0.6, 0.9], np.float32)
    >>> threshold_at("specificity", 0.5, scores, np.array([False, False, True, True])).__round__(3)
    0.2
    """
    if rule == "recall":
        return threshold_for_share(scores[is_of], level)
    if rule == "precision":
        return threshold_for_accuracy(scores, is_of, level)
    others = np.sort(scores[~is_of])
    above = scores[scores > others[math.ceil(level * len(others) - _ROUNDING) - 1]]
    return float(above.min()) if len(above) else None


def roc_points(scores: NDArray[np.float32], is_of: Mask, most: int = 100) -> list[tuple[float, float, float]]:
    """Return points of the ROC curve: threshold, false positive rate and recall.

    Args:
        scores: (n,) probability of the class.
        is_of: (n,) bool, True for its images; at least one, and one of the others.
        most: largest number of points.

    >>> roc_points(np.array([0.25, 0.5], np.float32), np.array([False, True]))
    [(0.5, 0.0, 1.0), (0.25, 1.0, 1.0)]
    """
    thresholds = np.unique(scores)[::-1]
    if len(thresholds) > most:
        thresholds = thresholds[np.linspace(0, len(thresholds) - 1, most).round().astype(np.intp)]
    shares = (
        (len(some) - np.searchsorted(np.sort(some), thresholds, "left")) / len(some)
        for some in (scores[~is_of], scores[is_of])
    )
    return list(zip(thresholds.astype(float).tolist(), *(share.tolist() for share in shares), strict=True))
