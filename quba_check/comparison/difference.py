"""The change of a value between two models, with its confidence limits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from quba_check.core.confidence import SCORES, ConfidenceCurve, bounded_curve
from quba_check.core.measurement import Measurement, Quantity
from quba_check.core.request import target_name
from quba_check.metrics.answer_pairs import Discordance
from quba_check.records.measurement import MeasurementRow
from quba_check.records.per_image import CleanAnswers, GroupsBySet, PerImage
from quba_check.stats import intervals
from quba_check.stats.clusters import GroupEffect, Sides, group_effect, limits_in_groups, mean_group_size
from quba_check.stats.estimate import Estimate, InfluenceBounds, SampleName
from quba_check.stats.image_intervals import additive_limits, is_near_zero

Z = np.array(SCORES)
_EXACT = 1e-6
_STORED = 1 / 64
"""Part of their range by which stored influences may differ from exact ones; see `per_image.encode`."""


@dataclass(frozen=True, slots=True, eq=False)
class RunValue:
    """A value of one model.

    Attributes:
        value: the value.
        n: number of different images behind it.
        limits: its limits at `SCORES`; None if it is not a sample or they are unknown.
        influences: (n,) contribution of each image to the value, by set of images; empty if unknown.
        fingerprint: of the model; empty if unknown.
        answers: the model's predictions on the clean set; None if unknown.
        groups: groups of the images behind `influences`, for sets that have them.
        n_groups: number of groups behind the value, of the set with the fewest; None without groups.
        outputs: digest of the predictions behind the value; None if unknown.
        is_transferred: the attacks behind it were computed on another model.
        score: the score that separates images of no class, for their dimension; else empty.
        classes: yields the number of each class behind that of the worst class; None if unknown.
    """

    value: float
    n: int | None = None
    limits: tuple[float, ...] | None = None
    influences: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    fingerprint: str = ""
    answers: CleanAnswers | None = None
    groups: GroupsBySet = field(default_factory=dict)
    n_groups: int | None = None
    outputs: str | None = None
    is_transferred: bool = False
    score: str = ""
    classes: Callable[[], Iterable[tuple[str, Quantity]]] | None = None

    @classmethod
    def of(
        cls,
        measured: Measurement | MeasurementRow,
        dimension: str,
        part: str | None,
        images: PerImage,
        fingerprint: str,
    ) -> RunValue | None:
        """Return the value of a dimension or part with its results per image, if measured."""
        quantity = measured.quantity(part)
        if quantity is None:
            return None
        return cls(
            quantity.value,
            quantity.different_images,
            quantity.limits,
            images.influences.get(target_name(dimension, part), {}),
            fingerprint,
            answers=images.clean,
            groups=images.groups,
            n_groups=quantity.sample.groups,
            outputs=measured.outputs,
            is_transferred=measured.transferred,
            score=measured.score,
            classes=quantity.classes if isinstance(quantity, Quantity) else None,
        )

    def of_class(self, quantity: Quantity) -> RunValue:
        """Return the number of one of the classes."""
        n = quantity.different_images
        influences = {str(sample): influence for sample, influence in quantity.influences.items()}
        value = replace(self, value=quantity.value, n=n, limits=quantity.limits, influences=influences)
        return replace(value, n_groups=quantity.sample.groups, classes=None)

    @property
    def estimate(self) -> Estimate:
        """The value with the contribution of each image."""
        return Estimate(self.value, dict(self.influences.items()))

    @property
    def correct(self) -> NDArray[np.bool_] | None:
        """Correctness (n,) of each image, if the value is a share of images; else None."""
        if len(self.influences) != 1:
            return None
        (influences,) = self.influences.values()
        contributions = influences + self.value
        is_correct: NDArray[np.bool_] = contributions > 0.5
        return is_correct if np.abs(contributions - is_correct).max() < _EXACT else None


@dataclass(frozen=True, slots=True)
class Change:
    """The change of a value.

    Attributes:
        value: after − before, or after / before.
        curve: confidence limits of the change; None if unknown.
        paired: the limits are made of both models' predictions on the same images.
        discordance: images that only one model classifies correctly, for shares of the same images.
        effect: effect of groups on the paired limits; None without groups.
    """

    value: float
    curve: ConfidenceCurve | None
    paired: bool = False
    discordance: Discordance | None = None
    effect: GroupEffect | None = None


def difference(before: RunValue, after: RunValue) -> Change:
    """Return the change after − before.

    Limits are paired for values of the same images with known influences; else they are made of both values'
    limits. The same predictions have a change of exactly 0.
    """
    value = after.value - before.value
    flips = discordance(before, after)
    if is_same(before, after):
        return _no_change(before, 0.0, flips)
    room = (-1.0, 1.0) if flips is not None else (-math.inf, math.inf)
    if flips is None and before.limits is not None and after.limits is not None:
        room = after.limits[0] - before.limits[-1], after.limits[-1] - before.limits[0]
    if is_paired(before, after):
        paired = _paired_limits(after.estimate - before.estimate, before, after)
        if paired is not None:
            limits, effect = paired
            curve = None if limits is None else bounded_curve(limits, *room)
            return Change(value, curve, True, flips, effect)
    if before.limits is None or after.limits is None:
        return Change(value, None, flips is not None, flips)
    limits_before = np.array(before.limits)
    limits_after = np.array(after.limits)
    curve = bounded_curve(
        intervals.unpaired_difference_limits(before.value, limits_before, after.value, limits_after), *room
    )
    return Change(value, curve, flips is not None, flips)


def ratio(before: RunValue, after: RunValue) -> Change:
    """Return the change after / before, for a `before` above 0; see `difference`.

    Near 0 the logarithm of a value is far from normal. Limits are then made of both values' exact limits and
    are wider.
    """
    if is_same(before, after):
        return _no_change(before, 1.0)
    value = after.value / before.value
    if is_paired(before, after) and not (is_near_zero(before.estimate) or is_near_zero(after.estimate)):
        change = after.estimate.log() - before.estimate.log()
        paired = _paired_limits(change, before, after, 1 / before.value, 1 / after.value)
        if paired is not None:
            limits, effect = paired
            curve = None if limits is None else bounded_curve(np.exp(limits))
            return Change(value, curve, True, effect=effect)
    if before.limits is None or after.limits is None:
        return Change(value, None)
    if after.value <= 0:  # limits by Bonferroni
        first = ConfidenceCurve(before.limits)
        second = ConfidenceCurve(after.limits)
        halved = intervals.bonferroni_scores(np.maximum(Z, 0), 0.5)
        limits = np.array([second.at(z) / first.at(-z) if z > 0 else 0.0 for z in halved])
        return Change(0.0, bounded_curve(limits))
    limits_before = np.array(before.limits)
    limits_after = np.array(after.limits)
    limits = intervals.unpaired_ratio_limits(before.value, limits_before, after.value, limits_after)
    return Change(value, bounded_curve(limits))


def _paired_limits(
    change: Estimate, before: RunValue, after: RunValue, scale: float = 1.0, other_scale: float = 1.0
) -> tuple[intervals.Limits | None, GroupEffect | None] | None:
    """Return the limits of a change and the effect of groups; see `limits_in_groups`.

    The largest change by one image is the larger range of both values' influences. None if that is unknown,
    because no image of a set deviates.
    """
    bounds: dict[SampleName, InfluenceBounds] = {}
    sides: dict[SampleName, Sides] = {}
    group_size = 1.0
    for sample, influences in before.influences.items():
        other = after.influences[sample]
        size = max(scale * float(np.ptp(influences)), other_scale * float(np.ptp(other)))
        bounds[sample] = InfluenceBounds(size, size, len(other), len(other))
        if not size:
            return None
        counted = influences != 0
        counted_after = other != 0
        has_both = counted.any() and counted_after.any()  # no influence at all is a value of 0 or 1
        if not has_both or np.array_equal(counted, counted_after):
            # Images of other classes or slices have no influence; those of a precision vary with the answers.
            sides[sample] = (counted | counted_after).astype(np.int8)
        group = after.groups.get(str(sample))
        if group is not None and len(group) == len(influences):
            group_size = max(group_size, mean_group_size(group, counted | counted_after))
    limits = partial(additive_limits, replace(change, bounds=bounds), group_size=group_size)
    effect = group_effect(change.influences, after.groups, sides)
    if effect is not None and after.n_groups is not None:
        effect = replace(effect, count=min(effect.count, after.n_groups))
    return limits_in_groups(limits, Z, effect), effect


def is_same(before: RunValue, after: RunValue) -> bool:
    """True if two values come from the same predictions.

    The models then have equal outputs for the images behind the values, or for all clean images; for values
    whose outputs are unknown, equal fingerprints. Values and influences are equal too.
    """
    if before.value != after.value:
        return False
    if is_paired(before, after) and not all(
        np.allclose(influences, after.influences[sample], rtol=0, atol=_STORED * float(np.ptp(influences)))
        for sample, influences in before.influences.items()
    ):
        return False
    clean = [None if run.answers is None else run.answers.outputs for run in (before, after)]
    known = [pair for pair in ((before.outputs, after.outputs), clean) if None not in pair]
    if known:
        return any(first == second for first, second in known)
    return before.fingerprint == after.fingerprint != ""


def _no_change(before: RunValue, value: float, flips: Discordance | None = None) -> Change:
    is_sample = before.limits is not None or before.n_groups is not None
    return Change(value, ConfidenceCurve((value,) * len(SCORES)) if is_sample else None, is_sample, flips)


def discordance(before: RunValue, after: RunValue) -> Discordance | None:
    """Return the discordance of two shares of the same images, else None."""
    if not is_paired(before, after):
        return None
    first = before.correct
    second = after.correct
    if first is None or second is None:
        return None
    (sample,) = after.influences
    return Discordance.of(first, second, after.groups.get(sample))


def is_paired(before: RunValue, after: RunValue) -> bool:
    """True if both values have influences on the same images."""
    first, second = (
        {sample: len(influences) for sample, influences in run.influences.items()} for run in (before, after)
    )
    return bool(first) and first == second
