"""The change of one number from one model to another, with its confidence limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from quba_check.metrics import limits
from quba_check.metrics.differences import mcnemar, paired_shares, unpaired, unpaired_ratio
from quba_check.metrics.estimate import Estimate
from quba_check.metrics.limits import FEW_EVENTS
from quba_check.protocol.confidence import SCORES, ConfidenceCurve

Z = np.array(SCORES)
_EXACT = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Side:
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
    def hits(self) -> NDArray[np.bool_] | None:
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


def difference(before: Side, after: Side) -> Change:
    """How a number changed: after − before.

    Shares of the same images have Tango's score limits; other numbers of the same images normal ones, with
    covariances; numbers of other images, or of images that are not known one by one, those that follow from
    the limits of each.
    """
    value = after.value - before.value
    found = discordance(before, after)
    if found is not None and before.n:
        return Change(value, _curve(paired_shares(found.lost, found.gained, before.n, Z)), True, found)
    if is_paired(before, after):
        return Change(value, _curve(limits.symmetric(after.estimate - before.estimate, Z)), True)
    if before.limits is None or after.limits is None:
        return Change(value, None)
    one, other = np.array(before.limits), np.array(after.limits)
    return Change(value, _curve(unpaired(before.value, one, after.value, other)))


def ratio(before: Side, after: Side) -> Change:
    """How a number changed: after / before, for a `before` above 0; see `difference`.

    Near 0, where the logarithm of a number is far from normal, limits follow from those of each, which are
    exact there, and are wider.
    """
    value = after.value / before.value
    if is_paired(before, after) and not (is_near_zero(before) or is_near_zero(after)):
        return Change(value, _curve(limits.on_log_scale(after.estimate / before.estimate, Z)), True)
    if before.limits is None or after.limits is None:
        return Change(value, None)
    if after.value <= 0:
        return Change(0.0, _curve(_of_nothing(ConfidenceCurve(before.limits), ConfidenceCurve(after.limits))))
    one, other = np.array(before.limits), np.array(after.limits)
    return Change(value, _curve(unpaired_ratio(before.value, one, after.value, other)))


def is_near_zero(side: Side) -> bool:
    """Whether a number is no further from 0 than a share of fewer than `FEW_EVENTS` hits."""
    return bool(side.value <= side.estimate.standard_error * FEW_EVENTS**0.5)


def _of_nothing(before: ConfidenceCurve, after: ConfidenceCurve) -> limits.Limits:
    """Limits of after / before for an `after` of 0: each of the two spends half of the error (Bonferroni)."""
    halved = limits.spent(np.maximum(Z, 0), 0.5)
    return np.array([after.at(z) / before.at(-z) if z > 0 else 0.0 for z in halved])


def discordance(before: Side, after: Side) -> Discordance | None:
    """On which images two shares differ; None where they are no shares of the same images."""
    if not is_paired(before, after):
        return None
    first, second = before.hits, after.hits
    if first is None or second is None:
        return None
    return Discordance(int(np.sum(first & ~second)), int(np.sum(second & ~first)))


def is_paired(before: Side, after: Side) -> bool:
    """Whether both numbers are known image by image, on the same images."""
    first, second = before.deviations, after.deviations
    return (
        bool(first)
        and first.keys() == second.keys()
        and all(len(first[sample]) == len(second[sample]) for sample in first)
    )


def _curve(found: limits.Limits) -> ConfidenceCurve | None:
    return ConfidenceCurve(tuple(np.maximum.accumulate(found).tolist())) if np.isfinite(found).all() else None
