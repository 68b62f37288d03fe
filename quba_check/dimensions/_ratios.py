"""Accuracies on sets, and relative to the clean set: what most dimensions are made of."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quba_check.core.confidence import SCORES, bounded_curve
from quba_check.core.measurement import Quantity
from quba_check.core.predictions import Predictions
from quba_check.core.view import CLEAN, CLEAN_SET, CORRUPTIONS_SET, View
from quba_check.errors import InvariantError, UnmeasurableError
from quba_check.metrics.means import geometric_mean
from quba_check.stats import intervals as limits
from quba_check.stats.estimate import Estimate, geometric_mean_of, mean_of
from quba_check.stats.image_intervals import multiplicative_limits, ratio_limits

Tables = Mapping[View, Predictions]
Z = np.array(SCORES)


@dataclass(frozen=True, slots=True)
class Ratio:
    """The accuracy on some images as a ratio to the clean accuracy; above 1 where the shift helps.

    Attributes:
        correct: (n,) whether the model is right on these images.
        clean: (m,) whether it is right on the clean ones, at least once.
        sample: names the images; equal to `CLEAN` where they are the clean images, shifted.
        is_of_clean_images: the images were made from the clean ones, which bounds the ratio by the clean
            accuracy itself; images of another set bound it by what the clean accuracy may be.
    """

    correct: NDArray[np.bool_]
    clean: NDArray[np.bool_]
    sample: View
    is_of_clean_images: bool = True

    @property
    def value(self) -> float:
        """The ratio."""
        return float(np.mean(self.correct, dtype=np.float64)) / float(np.mean(self.clean, dtype=np.float64))

    @property
    def n_correct(self) -> int:
        """How often the model is right."""
        return int(np.count_nonzero(self.correct))

    @property
    def has_few_hits(self) -> bool:
        """True if too few images are right for a normal logarithm of the ratio."""
        return self.n_correct < limits.FEW_EVENTS or self.has_few_clean_hits

    @property
    def has_few_clean_hits(self) -> bool:
        """True if the clean accuracy is too uncertain to divide by."""
        hits = int(np.count_nonzero(self.clean))
        return hits < limits.FEW_EVENTS * (1 - hits / len(self.clean))

    @property
    def estimate(self) -> Estimate:
        """The ratio with its sampling error."""
        clean = Estimate.mean(self.clean, CLEAN, is_reference=True)
        return Estimate.mean(self.correct, self.sample) / clean

    def most(self, z: limits.Scores) -> limits.Limits:
        """Return the largest possible ratio, with every image right, at normal scores."""
        if self.is_of_clean_images:
            return np.full(z.shape, 1 / float(np.mean(self.clean, dtype=np.float64)))
        hits, n = int(np.count_nonzero(self.clean)), len(self.clean)
        bound: limits.Limits = 1 / limits.clopper_pearson(hits, n, -np.maximum(z, 0.0))
        return bound

    def limits(self, z: limits.Scores) -> limits.Limits:
        """Confidence limits at normal scores."""
        if not self.has_few_clean_hits:
            return ratio_limits(self.estimate, z)
        others = int(np.count_nonzero(self.clean))
        return limits.exact_ratio(self.n_correct, len(self.correct), others, len(self.clean), z)

    def quantity(self) -> Quantity:
        """The ratio as reports show it."""
        limit = bounded_curve(self.limits(Z), 0.0, self.most(Z))
        return Quantity(self.value, "ratio", len(self.correct), limit, deviations=self.estimate.deviations)


def accuracy_on(predictions: Tables, view: View) -> Quantity:
    """Share of the view's images whose top-1 is right.

    Raises:
        UnmeasurableError: the view has no images.
    """
    table = predictions[view]
    if len(table) == 0:
        raise UnmeasurableError(
            f"the set {view} has no images; add some or leave it out of the suite", missing_data=True
        )
    shifted = CLEAN in predictions and _shows_alike(predictions[CLEAN], table)
    sample = CLEAN if shifted else view
    return share(table.correct, sample)


def share(hits: NDArray[np.bool_], sample: Hashable) -> Quantity:
    """A share of images as reports show it, with its interval.

    Args:
        hits: (n,) what is counted.
        sample: names the images: their view, or anything else where they are some of its rows.
    """
    estimate, n = Estimate.mean(hits, sample), len(hits)
    limit = bounded_curve(limits.wilson(int(np.count_nonzero(hits)), n, Z), 0.0, 1.0)
    return Quantity(estimate.value, "fraction", n, limit, deviations=estimate.deviations)


def clean_accuracy(predictions: Tables) -> float:
    """Accuracy over the whole clean set in the model's own classes: every denominator.

    Raises:
        UnmeasurableError: there are no clean images, or none is classified right.
    """
    clean = accuracy_on(predictions, CLEAN)
    if clean.value == 0:
        raise UnmeasurableError(
            f"none of the {clean.n} clean images is classified right, and nothing is relative to 0; "
            "check that class list and preparation are the model's own"
        )
    return clean.value


def clean_probabilities(predictions: Tables) -> NDArray[np.float32]:
    """(N, C) probabilities of the clean images.

    Raises:
        InvariantError: the view was filled without the table that it asks for.
    """
    probabilities = predictions[CLEAN].probabilities
    if probabilities is None:
        raise InvariantError("clean: the predictions came without the probabilities that the view asks for")
    return probabilities


def ratios(predictions: Tables, views: Iterable[View]) -> dict[View, Ratio]:
    """The accuracies on views relative to the clean accuracy.

    Views with as many images of the same classes as an earlier one (or the clean set) are taken for the same
    images, shifted: what they have in common is then found in the data, and nothing is assumed of it.

    Raises:
        UnmeasurableError: a view has no images, or no clean image is classified right.
    """
    clean_accuracy(predictions)
    found: dict[View, Ratio] = {}
    for view in views:
        accuracy_on(predictions, view)  # an empty set has its own reason
        alike = (known for known in (CLEAN, *found) if _shows_alike(predictions[known], predictions[view]))
        first = next(alike, view)
        sample = found[first].sample if first in found else first
        is_of_clean = view.set in (CLEAN_SET, CORRUPTIONS_SET)
        found[view] = Ratio(predictions[view].correct, predictions[CLEAN].correct, sample, is_of_clean)
    return found


def mean_ratio(parts: Sequence[Ratio]) -> Quantity:
    """Arithmetic mean of ratios to one clean accuracy; limits account for shared images."""
    estimate = mean_of(part.estimate for part in parts)
    n = sum(len(part.correct) for part in parts)
    if parts[0].has_few_clean_hits:
        found = np.mean(_limits_of_each(parts), axis=0)
    else:
        found = ratio_limits(estimate, Z)
    limit = bounded_curve(found, 0.0, _most(parts))
    return Quantity(estimate.value, "ratio", n, limit, deviations=estimate.deviations)


def geometric_mean_ratio(parts: Sequence[Ratio]) -> Quantity:
    """Geometric mean of ratios to one clean accuracy.

    If one of them has few hits, the limits combine those of each ratio.
    """
    value = geometric_mean(part.value for part in parts)
    n = sum(len(part.correct) for part in parts)
    estimate = geometric_mean_of(part.estimate for part in parts) if value else Estimate(0.0)
    if any(part.has_few_hits for part in parts):
        found = limits.geometric_mean(_limits_of_each(parts))
    else:
        found = multiplicative_limits(estimate, Z)
    limit = bounded_curve(found, 0.0, _most(parts))
    return Quantity(value, "ratio", n, limit, deviations=estimate.deviations)


def _limits_of_each(parts: Sequence[Ratio]) -> list[limits.Limits]:
    """Return simultaneous limits of ratios (Bonferroni)."""
    scores = limits.bonferroni_scores(Z, 1 / len(parts))
    return [np.clip(part.limits(scores), 0.0, part.most(scores)) for part in parts]


def _most(parts: Sequence[Ratio]) -> limits.Limits:
    bounds: limits.Limits = np.max([part.most(Z) for part in parts], axis=0)
    return bounds


def _shows_alike(first: Predictions, second: Predictions) -> bool:
    return np.array_equal(first.index, second.index) and np.array_equal(first.label, second.label)
