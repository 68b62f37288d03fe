"""The change of one number from one model to another, with its confidence limits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from quba_check.core.confidence import SCORES, ConfidenceCurve, bounded_curve
from quba_check.stats import intervals as limits
from quba_check.stats.differences import mcnemar, unpaired_difference_limits, unpaired_ratio_limits
from quba_check.stats.estimate import DeviationBounds, Estimate, Sample
from quba_check.stats.image_intervals import additive_limits, is_near_zero

Z = np.array(SCORES)
_EXACT = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class RunValue:
    """A number of one model.

    Attributes:
        value: the number.
        n: images behind it.
        limits: its limits at `SCORES`; None where nothing is drawn or they are not known.
        deviations: by set of images what each image adds to it; empty where that is not known.
    """

    value: float
    n: int | None = None
    limits: tuple[float, ...] | None = None
    deviations: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def estimate(self) -> Estimate:
        """The number with what each image adds to it."""
        return Estimate(self.value, dict(self.deviations.items()))

    @property
    def correct(self) -> NDArray[np.bool_] | None:
        """Whether each image counts, where the number is a share of images; else None."""
        if len(self.deviations) != 1:
            return None
        (found,) = self.deviations.values()
        numbers = found + self.value
        hits: NDArray[np.bool_] = numbers > 0.5
        return hits if np.abs(numbers - hits).max() < _EXACT else None


@dataclass(frozen=True, slots=True)
class Discordance:
    """Images on which two models differ.

    Attributes:
        lost: only the first is right.
        gained: only the second is.
    """

    lost: int
    gained: int

    @property
    def p(self) -> float:
        """Exact McNemar p-value."""
        return mcnemar(self.lost, self.gained)


@dataclass(frozen=True, slots=True)
class Change:
    """How a number changed.

    Attributes:
        value: after − before, or after / before.
        curve: confidence limits of that; None where they are not known.
        paired: they are made of both models' answers to the same images.
        discordance: on which images the models differ, for shares of the same images.
    """

    value: float
    curve: ConfidenceCurve | None
    paired: bool = False
    discordance: Discordance | None = None


def difference(before: RunValue, after: RunValue) -> Change:
    """How a number changed: after − before.

    Numbers of the same images have limits that count the images on which the models differ; numbers of other
    images, or of images that are not known one by one, have limits that follow from those of each.
    """
    value, found = after.value - before.value, discordance(before, after)
    room = (-1.0, 1.0) if found is not None else _widest(before.limits, after.limits)
    if is_paired(before, after):
        ranges = _ranges(before, after)
        if all(ranges.values()):
            change = _with_bounds(after.estimate - before.estimate, ranges)
            return Change(value, bounded_curve(additive_limits(change, Z), *room), True, found)
    if before.limits is None or after.limits is None:
        return Change(value, None, found is not None, found)
    one, other = np.array(before.limits), np.array(after.limits)
    curve = bounded_curve(unpaired_difference_limits(before.value, one, after.value, other), *room)
    return Change(value, curve, found is not None, found)


def ratio(before: RunValue, after: RunValue) -> Change:
    """How a number changed: after / before, for a `before` above 0; see `difference`.

    Near 0, where the logarithm of a number is far from normal, limits follow from those of each, which are
    exact there, and are wider.
    """
    value = after.value / before.value
    if is_paired(before, after) and not (is_near_zero(before.estimate) or is_near_zero(after.estimate)):
        change = after.estimate.log() - before.estimate.log()
        ranges = _ranges(before, after, 1 / before.value, 1 / after.value)
        if all(ranges.values()):
            return Change(
                value, bounded_curve(np.exp(additive_limits(_with_bounds(change, ranges), Z))), True
            )
    if before.limits is None or after.limits is None:
        return Change(value, None)
    if after.value <= 0:
        return Change(
            0.0, bounded_curve(_of_nothing(ConfidenceCurve(before.limits), ConfidenceCurve(after.limits)))
        )
    one, other = np.array(before.limits), np.array(after.limits)
    return Change(value, bounded_curve(unpaired_ratio_limits(before.value, one, after.value, other)))


def _ranges(
    before: RunValue, after: RunValue, scale: float = 1.0, other_scale: float = 1.0
) -> dict[str, float]:
    """Return the largest change that one image can cause, for each set of images.

    It is the larger range of both numbers' deviations. A range of 0 means that it is not known: no image
    deviates in either number.
    """
    return {
        sample: max(scale * float(np.ptp(found)), other_scale * float(np.ptp(after.deviations[sample])))
        for sample, found in before.deviations.items()
    }


def _with_bounds(estimate: Estimate, ranges: Mapping[str, float]) -> Estimate:
    counts = {sample: len(found) for sample, found in estimate.deviations.items()}
    bounds: dict[Sample, DeviationBounds] = {
        sample: DeviationBounds(size, size, counts[sample], counts[sample]) for sample, size in ranges.items()
    }
    return replace(estimate, bounds=bounds)


def _widest(before: tuple[float, ...] | None, after: tuple[float, ...] | None) -> tuple[float, float]:
    """Return the widest difference of the limits of both numbers."""
    if before is None or after is None:
        return -math.inf, math.inf
    return after[0] - before[-1], after[-1] - before[0]


def _of_nothing(before: ConfidenceCurve, after: ConfidenceCurve) -> limits.Limits:
    """Limits of after / before for an `after` of 0: each of the two spends half of the error (Bonferroni)."""
    halved = limits.bonferroni_scores(np.maximum(Z, 0), 0.5)
    return np.array([after.at(z) / before.at(-z) if z > 0 else 0.0 for z in halved])


def discordance(before: RunValue, after: RunValue) -> Discordance | None:
    """On which images two shares differ; None where they are no shares of the same images."""
    if not is_paired(before, after):
        return None
    first, second = before.correct, after.correct
    if first is None or second is None:
        return None
    return Discordance(int(np.sum(first & ~second)), int(np.sum(second & ~first)))


def is_paired(before: RunValue, after: RunValue) -> bool:
    """Whether both numbers are known image by image, on the same images."""
    first, second = before.deviations, after.deviations
    return (
        bool(first)
        and first.keys() == second.keys()
        and all(len(first[sample]) == len(second[sample]) for sample in first)
    )
