"""Statistical power of a gate: true values of blocked and of passing models."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from quba_check.core.measurement import Measurement, Quantity
from quba_check.demands.bounds import ENDS
from quba_check.demands.demand import Demand, Thresholds
from quba_check.records.record import Record
from quba_check.stats.intervals import share_limits
from quba_check.tuning.record_facts import check_protocol, images_behind, judged_quantity

POWER = 0.8
"""Probability of detection of a detectable effect."""
ASSUMED_ACCURACY = 0.8
"""Clean accuracy behind ratios if the file has no demand on it."""
SHARES = ("accuracy", "accuracy.top3", "accuracy.top5", "accuracy.top10", "shape_bias")
"""Shares of independent images, with a known distribution at any true value."""
LEAST_IMAGES = 2
"""Smallest number of images for a standard error."""
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class DetectableEffect:
    """The detectable effect of a demand.

    Attributes:
        demand: the demand.
        error: standard error of the value; None for letters, exact values and errors that need a record.
        blocked: true value of a model that is blocked in 80 % of runs; None if there is none.
        passed: true value of a model that passes in 80 % of runs; None if there is none.
    """

    demand: Demand
    error: float | None = None
    blocked: float | None = None
    passed: float | None = None


def detectable_effects(
    thresholds: Thresholds, images: int | None, record: Record | None = None
) -> tuple[DetectableEffect, ...]:
    """Return the detectable effect of each demand of a file.

    Args:
        thresholds: the file with its policy.
        images: number of images of each set; None for those of the record.
        record: a run with standard errors. Those of masked values, and of fewer than two images, are not
            used.

    Effects on `SHARES` are exact, and the error is that of the blocked value. For shape_bias only the share
    of cue-conflict images that the run decides by shape or texture counts; without a record all count.

    Other values have the same error at every true value. With a record it is the error of the run, scaled by
    the square root of the images behind it (`record_facts.images_behind`) over `images`; images in groups are
    assumed to come in more groups of the same kind. Without a record it
    is the binomial error at the bound; for ratios it assumes that their images are not the clean ones, which
    is conservative. Errors of calibration, balance and score then are unknown.

    Drops have the error of two runs on different images; runs on the same images detect smaller drops.
    Without a record the error is known only for values that the file also bounds by `min`.

    Raises:
        ThresholdError: the file is for another protocol than the record.
    """
    minima = {
        demand.target: float(demand.bound)
        for demand in thresholds.demands
        if demand.key == "min" and not isinstance(demand.bound, str)
    }
    accuracy = minima.get("accuracy", ASSUMED_ACCURACY)
    if record:
        check_protocol(thresholds, record)
        clean = record.measured.get("accuracy")
        accuracy = accuracy if clean is None else clean.value

    def effect_of(demand: Demand) -> DetectableEffect:
        stored = _stored_quantity(demand, record) if record else None
        if isinstance(demand.bound, str) or (record and stored is None):
            return DetectableEffect(demand)
        if demand.target in SHARES and not demand.needs_baseline:
            n = images if stored is None else _share_images(*stored, images)
            return DetectableEffect(demand) if n is None else _effect_on_share(demand, n, thresholds)
        value = minima.get(demand.target) if demand.needs_baseline else float(demand.bound)
        if stored is not None:
            value = stored[0].value
            error = _error_of_run(*stored, images)
        else:
            known = value is not None and images is not None
            error = _binomial_error(demand, value or 0.0, images or 1, accuracy) if known else None
        if error is not None and demand.needs_baseline:
            error *= math.sqrt(2)
            if demand.key == "max_relative_drop":
                error = error / value if value else None
        return DetectableEffect(demand) if error is None else _effect(demand, error, thresholds, accuracy)

    return tuple(map(effect_of, thresholds.demands))


def _effect(demand: Demand, error: float, thresholds: Thresholds, accuracy: float) -> DetectableEffect:
    margin = pass_margin(thresholds)
    score = _NORMAL.inv_cdf(POWER)
    sign = 1 if demand.key == "min" else -1
    low, high = _possible(demand, accuracy)

    def detectable_value(steps: int) -> float | None:
        true = float(demand.bound) + sign * (margin + steps * score) * error
        nearest = min(max(true, low), high)
        return nearest if true == nearest or (true < low) == (sign * steps > 0) else None

    return DetectableEffect(demand, error, detectable_value(-1), detectable_value(1))


def _possible(demand: Demand, accuracy: float) -> tuple[float, float]:
    """Return the smallest and the largest possible value at a clean accuracy."""
    most = 1 / accuracy if accuracy else math.inf
    if demand.dimension == "object_focus" and demand.part is None:
        low, high = 1 - most, 1 + most
    elif demand.unit in ENDS:
        low, high = 0.0, most if demand.unit == "ratio" else ENDS[demand.unit]
    else:
        return -math.inf, math.inf
    if demand.key == "max_relative_drop":
        return -math.inf, 1.0 if demand.better == "high" and low >= 0 else math.inf
    return (low - high, high - low) if demand.needs_baseline or demand.request.kind == "gap" else (low, high)


def _effect_on_share(demand: Demand, n: int, thresholds: Thresholds) -> DetectableEffect:
    margin = np.array([-pass_margin(thresholds)])
    score = np.array([_NORMAL.inv_cdf(POWER)])
    least = bisect_left(
        range(n + 1), float(demand.bound), key=lambda hits: share_limits(hits, n, margin).item()
    )
    blocked = None if least == 0 else 1.0 if least > n else share_limits(least, n, -score).item()
    passed = None if least > n else 0.0 if least == 0 else share_limits(least - 1, n, score).item()
    value = passed if blocked is None else blocked
    error = None if value is None else math.sqrt(value * (1 - value) / n)
    return DetectableEffect(demand, error, blocked, passed)


def pass_margin(thresholds: Thresholds) -> float:
    """Return the distance from the bound needed to pass, in standard errors."""
    policy = thresholds.policy
    blocking = max(1, thresholds.blocking)
    match policy.uncertain:
        case "point":
            return 0.0
        case "fail":
            return _NORMAL.inv_cdf(1 - policy.error)
        case "allow":
            return -_NORMAL.inv_cdf(1 - policy.error / blocking)


def _share_images(quantity: Quantity, behind: int, images: int | None) -> int:
    """Return the number of independent images behind one of `SHARES`."""
    effective = quantity.sample.effective
    independent = behind if effective is None else effective
    parts = quantity.parts if isinstance(quantity, Measurement) else {}
    decided = [parts[name].value for name in ("shape_hits", "texture_hits") if name in parts]
    share = sum(decided) / behind if decided else 1.0
    return max(1, round((images or behind) * share * independent / behind))


def _error_of_run(quantity: Quantity, behind: int, images: int | None) -> float | None:
    """Return the standard error of a run's value for other images; None if unknown."""
    curve = quantity.curve
    if curve is None:
        return None
    return (curve.at(1) - curve.at(-1)) / 2 * math.sqrt(behind / (images or behind))


def _stored_quantity(demand: Demand, record: Record) -> tuple[Quantity, int] | None:
    """Return a run's value and its number of images, at least two."""
    quantity = judged_quantity(demand, record)
    if quantity is None or quantity.n is None or quantity.n < LEAST_IMAGES:
        return None
    behind = images_behind(quantity, demand, record)
    return None if behind is None or behind < LEAST_IMAGES else (quantity, behind)


def _binomial_error(demand: Demand, value: float, images: int, accuracy: float) -> float | None:
    """Return the binomial standard error of a value; None if unknown."""
    if demand.target in SHARES:
        return math.sqrt(value * (1 - value) / images)
    if demand.unit == "ratio":
        share = min(value * accuracy, 1.0)
        if share <= 0:
            return None
        return value * math.sqrt((1 - share) / (images * share) + (1 - accuracy) / (images * accuracy))
    if demand.target == "object_focus" and accuracy > 0:
        random = min(max(accuracy * value, 0.0), 1.0)
        return math.sqrt(accuracy * (1 - accuracy) + random * (1 - random)) / (accuracy * math.sqrt(images))
    return None
