"""Accuracies on sets, absolute and relative to the clean accuracy."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from quba_check.core.confidence import ConfidenceCurve, SampleLimits, curve_of
from quba_check.core.measurement import Quantity, Sample
from quba_check.core.predictions import Predictions, Tables, most_frequent_class
from quba_check.core.view import CLEAN, CLEAN_SET, CORRUPTIONS_SET, View
from quba_check.errors import InvariantError, UnmeasurableError
from quba_check.number_format import format_distinct
from quba_check.stats import intervals
from quba_check.stats.estimate import Estimate, delta_method, geometric_mean, geometric_mean_of, mean_of
from quba_check.stats.image_intervals import additive_limits, ratio_limits
from quba_check.stats.intervals import FEW_EVENTS, Limits, Scores


@dataclass(frozen=True, slots=True)
class Ratio:
    """The accuracy on some images relative to the clean accuracy.

    It is above 1 if the shift helps.

    Attributes:
        correct: (n,) bool, True if the model is right on the image.
        clean: (m,) bool, likewise for the clean images; True at least once.
        sample: name of the images; `CLEAN` for shifted clean images.
        is_of_clean_images: True if the images derive from the clean ones: then the observed clean accuracy
            bounds the ratio. Images of another set bound it by the confidence limit of the clean accuracy.
    """

    correct: NDArray[np.bool_]
    clean: NDArray[np.bool_]
    sample: View
    is_of_clean_images: bool = True

    @property
    def n_correct(self) -> int:
        """Number of correctly classified images."""
        return int(np.count_nonzero(self.correct))

    @property
    def n_clean_correct(self) -> int:
        """Number of correctly classified clean images."""
        return int(np.count_nonzero(self.clean))

    @property
    def has_few_clean_correct(self) -> bool:
        """True if the clean accuracy is too uncertain to divide by."""
        return self.n_clean_correct < FEW_EVENTS * (1 - self.n_clean_correct / len(self.clean))

    @property
    def estimate(self) -> Estimate:
        """The ratio with its sampling error."""
        return Estimate.mean(self.correct, self.sample) / Estimate.mean(self.clean, CLEAN, is_reference=True)

    def upper_bounds(self, z: Scores, effect: float = 1.0) -> Limits:
        """Return the ratio of a model that is right on all images, at normal scores."""
        if self.is_of_clean_images:
            return np.full(z.shape, 1 / float(np.mean(self.clean, dtype=np.float64)))
        hits = self.n_clean_correct / effect
        n = len(self.clean) / effect
        lowest = intervals.share_limits(hits, n, -np.maximum(z, 0.0))
        bounds: Limits = 1 / lowest
        return bounds

    def limits(self, z: Scores, effect: float = 1.0) -> Limits:
        """Return confidence limits at normal scores, of a sample that is smaller by a factor.

        The scores are symmetric around 0 and increasing. Limits of two shares of different images are
        combined as `unpaired_ratio_limits` does. On the same images the ratio is the share of right answers
        that stay right, plus the odds of a gained one; exact upper limits of both are combined in squares.
        """
        clean = self.n_clean_correct / effect
        hits = self.n_correct / effect
        if self.sample != CLEAN:
            n = len(self.correct) / effect
            m = len(self.clean) / effect
            if not hits:
                return intervals.exact_ratio_limits(hits, n, clean, m, z)
            of_clean = intervals.share_limits(clean, m, z)
            own = intervals.share_limits(hits, n, z)
            return intervals.unpaired_ratio_limits(clean / m, of_clean, hits / n, own)
        kept = np.count_nonzero(np.logical_and(self.correct, self.clean)) / effect
        gained = intervals.share_limits(hits - kept, hits - kept + clean, z)
        with np.errstate(divide="ignore"):
            odds = gained / (1 - gained) - (hits - kept) / clean
        above = np.hypot(intervals.share_limits(kept, clean, z) - kept / clean, odds)
        upper = np.minimum(hits / clean + above, self.upper_bounds(z, effect))
        return np.where(z > 0, upper, additive_limits(self.estimate, z, effect))

    def quantity(self) -> Quantity:
        """Return the ratio with its confidence curve."""
        curve = curve_of(self.limits, 0.0, self.upper_bounds)
        ratio = self.estimate
        return Quantity(ratio.value, "ratio", len(self.correct), curve, influences=ratio.influences)


def accuracy_on(predictions: Tables, view: View) -> Quantity:
    """Share of the view's images whose predicted class is the label.

    Raises:
        UnmeasurableError: the view has no images.
    """
    table = predictions[view]
    if len(table) == 0:
        raise UnmeasurableError(
            f"the set {view} has no images; add some or leave it out of the suite", missing_data=True
        )
    is_clean = CLEAN in predictions and shows_same_images(predictions[CLEAN], table)
    return share(table.correct, CLEAN if is_clean else view)


def share(hits: NDArray[np.bool_], sample: Hashable) -> Quantity:
    """Share of images for which something is true, with its confidence curve.

    Args:
        hits: (n,) bool, True for the images that count; n at least 1.
        sample: name of the images: their view, or any other value for some of its rows.

    Returns:
        A fraction with exact limits.
    """
    estimate = Estimate.mean(hits, sample)
    n = len(hits)
    curve = share_curve(int(np.count_nonzero(hits)), n)
    return Quantity(estimate.value, "fraction", n, curve, influences=estimate.influences)


def mean_quantity(values: NDArray[np.float64], highest: float, unit: str, sample: Hashable) -> Quantity:
    """Mean of a number of each image, with its confidence curve.

    Args:
        values: (n,) numbers in [0, `highest`], n at least 1.
        highest: the largest possible number of an image.
        unit: the unit of the numbers.
        sample: name of the images, as for `share`.
    """
    estimate = delta_method(float(values.mean()), [(highest, Estimate.mean(values / highest, sample))])
    return additive_quantity(estimate, len(values), unit, highest)


def additive_quantity(
    estimate: Estimate, n: int | None, unit: str = "fraction", highest: float = 1.0
) -> Quantity:
    """Return a sum of influences of n images, from 0 to `highest`."""
    curve = curve_of(partial(additive_limits, estimate), 0.0, highest)
    return Quantity(estimate.value, unit, n, curve, influences=estimate.influences)


def share_curve(hits: int, n: int) -> ConfidenceCurve | None:
    """Return the exact limits of a share of hits among n images."""
    return curve_of(lambda z, effect: intervals.share_limits(hits / effect, n / effect, z), low=0.0, high=1.0)


def reference_notes(predictions: Tables) -> tuple[str, ...]:
    """Return a note if a constant answer is as accurate on the clean images."""
    clean = predictions[CLEAN]
    _, share = most_frequent_class(clean.label)
    if not clean.accuracy <= share < 1:
        return ()
    accuracy, constant = format_distinct(clean.accuracy, share, "fraction")
    note = (
        f"no evidence of quality: the clean accuracy {accuracy}, to which it is relative, is not above "
        f"{constant}, the share of the most frequent class"
    )
    return (note,)


def clean_probabilities(predictions: Tables) -> NDArray[np.float32]:
    """Return the (N, C) class probabilities of the clean images, in [0, 1].

    Raises:
        InvariantError: the predictions lack the table that the view asks for.
    """
    probabilities = predictions[CLEAN].probabilities
    if probabilities is None:
        raise InvariantError(
            "the predictions came without the probabilities that the view asks for", where="clean"
        )
    return probabilities


def ratios(predictions: Tables, views: Iterable[View]) -> dict[View, Ratio]:
    """The accuracies on views relative to the clean accuracy.

    A view with the indices and labels of an earlier one (or of the clean set) counts as the same images,
    shifted. Their correlation is then taken from the data.

    Raises:
        UnmeasurableError: a view has no images, or no clean image is classified right.
    """
    clean = accuracy_on(predictions, CLEAN)
    if clean.value == 0:
        raise UnmeasurableError(
            f"none of the {clean.n} clean images is classified right, and nothing is relative to 0; "
            "check that class list and preprocessing are the model's own"
        )
    samples = {CLEAN: CLEAN}
    relative: dict[View, Ratio] = {}
    for view in views:
        accuracy_on(predictions, view)  # raises the reason of an empty set
        table = predictions[view]
        same = (other for other in samples if shows_same_images(predictions[other], table))
        sample = samples[view] = samples.get(next(same, view), view)
        is_of_clean_images = view.set in (CLEAN_SET, CORRUPTIONS_SET)
        relative[view] = Ratio(table.correct, predictions[CLEAN].correct, sample, is_of_clean_images)
    return relative


def mean_ratio(parts: Sequence[Ratio]) -> Quantity:
    """Arithmetic mean of ratios to one clean accuracy; limits account for shared images."""
    estimate = mean_of(part.estimate for part in parts)

    def limits(z: Scores, effect: float) -> Limits:
        if len(parts) > 1 and not parts[0].has_few_clean_correct:
            return ratio_limits(estimate, z, effect)
        means: Limits = np.mean(_simultaneous_limits(parts, z, effect), axis=0)
        return means

    return _mean_quantity(estimate.value, parts, limits, estimate)


def geometric_mean_ratio(parts: Sequence[Ratio]) -> Quantity:
    """Geometric mean of ratios to one clean accuracy.

    If one of them has few correct images, the limits combine those of each ratio.
    """
    ratios = [part.estimate for part in parts]
    value = geometric_mean(ratio.value for ratio in ratios)
    estimate = geometric_mean_of(ratios) if value else Estimate(0.0)

    def limits(z: Scores, effect: float) -> Limits:
        if any(part.n_correct < FEW_EVENTS or part.has_few_clean_correct for part in parts):
            product: Limits = np.prod(_simultaneous_limits(parts, z, effect), axis=0)
            return product ** (1 / len(parts))
        return ratio_limits(estimate, z, effect)

    return _mean_quantity(value, parts, limits, estimate)


def _mean_quantity(
    value: float, parts: Sequence[Ratio], limits: SampleLimits, estimate: Estimate
) -> Quantity:
    def bounds(z: Scores, effect: float) -> Limits:
        highest: Limits = np.max([part.upper_bounds(z, effect) for part in parts], axis=0)
        return highest

    n = sum(len(part.correct) for part in parts)
    images = sum({part.sample: len(part.correct) for part in parts}.values())
    curve = curve_of(limits, 0.0, bounds)
    sample = Sample(images if images < n else None)
    return Quantity(value, "ratio", n, curve, influences=estimate.influences, sample=sample)


def _simultaneous_limits(parts: Sequence[Ratio], z: Scores, effect: float) -> list[Limits]:
    """Return limits of each ratio that hold for all simultaneously (Bonferroni)."""
    scores = intervals.bonferroni_scores(z, 1 / len(parts))
    return [np.clip(part.limits(scores, effect), 0.0, part.upper_bounds(scores, effect)) for part in parts]


def shows_same_images(first: Predictions, second: Predictions) -> bool:
    """Return True if two tables have the same positions and labels."""
    return np.array_equal(first.index, second.index) and np.array_equal(first.label, second.label)
