"""What a gate notices: how far below a bound a model must be before it is blocked."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from quba_check.core.confidence import ConfidenceCurve
from quba_check.demands.demand import Demand, Thresholds
from quba_check.records.measurement import MeasurementRow, QuantityRow
from quba_check.records.record import Record
from quba_check.stats.intervals import clopper_pearson_limits, wilson_limits
from quba_check.tuning.record_facts import check_protocol, images_behind

POWER = 0.8
"""How often a drop must be noticed to count as noticed."""
USUAL_ACCURACY = 0.8
"""Clean accuracy that ratios are taken to be relative to where the file demands none."""
SHARES = ("accuracy", "accuracy.top5", "shape_bias")
"""Values that are shares of independent images, so that their distribution is known at any true value."""
LEAST_IMAGES = 2
"""Images from which an error is known."""
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class DetectableEffect:
    """What a demand notices.

    Attributes:
        demand: the demand.
        error: standard error of the value; None where it takes a record to know it, and of what is not drawn
            or no number.
        blocked: a model with this true value is blocked in 80 % of runs; None if no model is.
        passed: a model with this true value passes in 80 % of runs; None if no model does.
    """

    demand: Demand
    error: float | None
    blocked: float | None
    passed: float | None


def detectable_effects(
    thresholds: Thresholds, images: int, record: Record | None = None
) -> tuple[DetectableEffect, ...]:
    """What each demand of a file notices with so many images in each set.

    Args:
        thresholds: the file; its policy counts.
        images: images of the clean set, and of every other.
        record: a run with standard errors. Those of early-stopped and masked values, and of fewer than two
            images, are not used.

    Of `SHARES` the true values that are blocked or pass are exact, and the error is that of the blocked one.
    Of a run only the share of conflicting images that it decides by shape or texture counts there; without
    one that is all of them.

    Other values have one error, wherever the true one is: with a record that at the run's own value, times
    the square root of the images of a set behind it (`recorded_suite.images_behind`) over `images`; without
    one the binomial error at the bound, of ratios as if their images were others than the clean ones, which
    is on the safe side. Errors of calibration, balance and score are then not known.

    Drops have the error of two runs on different images: runs on the same ones notice smaller drops. Without
    a record that is known of what the file bounds by `min` too.

    Raises:
        ThresholdError: the record is of another protocol than the file is about.
    """
    least = {
        demand.target: float(demand.threshold)
        for demand in thresholds.demands
        if demand.bound == "min" and not isinstance(demand.threshold, str)
    }
    accuracy = least.get("accuracy", USUAL_ACCURACY)
    if record:
        check_protocol(thresholds, record)
        clean = record.measurements.get("accuracy")
        accuracy = clean.value if isinstance(clean, MeasurementRow) else accuracy
    found = []
    for demand in thresholds.demands:
        if isinstance(demand.threshold, str):
            found.append(DetectableEffect(demand, None, None, None))
            continue
        if demand.target in SHARES and not demand.needs_baseline:
            found.append(_reach_of_share(demand, _decided(demand, images, record), thresholds))
            continue
        value = least.get(demand.target) if demand.needs_baseline else float(demand.threshold)
        if record:
            value, error = _stored(demand, images, record)
        else:
            error = None if value is None else _binomial_error(demand, value, images, accuracy)
        if error is not None and demand.needs_baseline:
            error *= math.sqrt(2)
            if demand.bound == "max_relative_drop":
                error = error / value if value else None
        found.append(_reach(demand, error, thresholds, _possible(demand, accuracy)))
    return tuple(found)


def _reach(
    demand: Demand, error: float | None, thresholds: Thresholds, possible: tuple[float, float]
) -> DetectableEffect:
    if error is None:
        return DetectableEffect(demand, None, None, None)
    line, score = _line(thresholds), _NORMAL.inv_cdf(POWER)
    sign = 1 if demand.bound == "min" else -1
    low, high = possible

    def reached(steps: int) -> float | None:
        true = float(demand.threshold) + sign * (line + steps * score) * error
        if not low <= true <= high:
            inside = min(max(true, low), high)
            return inside if (true < low) == (sign * steps > 0) else None
        return true

    return DetectableEffect(demand, error, reached(-1), reached(1))


def _possible(demand: Demand, accuracy: float) -> tuple[float, float]:
    """Return the smallest and the largest possible value at a clean accuracy."""
    most = 1 / accuracy if accuracy else math.inf
    if demand.dimension == "object_focus" and demand.part is None:
        low, high = 1 - most, 1 + most
    elif demand.unit in ("fraction", "ratio"):
        low, high = 0.0, 1.0 if demand.unit == "fraction" else most
    else:
        return -math.inf, math.inf
    if demand.bound == "max_relative_drop":
        return -math.inf, 1.0 if demand.better == "high" and low >= 0 else math.inf
    return (low - high, high - low) if demand.needs_baseline else (low, high)


def _reach_of_share(demand: Demand, n: int | None, thresholds: Thresholds) -> DetectableEffect:
    if n is None:
        return DetectableEffect(demand, None, None, None)
    line, score = np.array([-_line(thresholds)]), np.array([_NORMAL.inv_cdf(POWER)])
    least = bisect_left(
        range(n + 1), float(demand.threshold), key=lambda hits: wilson_limits(hits, n, line).item()
    )
    blocked = None if least == 0 else 1.0 if least > n else clopper_pearson_limits(least, n, -score).item()
    passed = None if least > n else 0.0 if least == 0 else clopper_pearson_limits(least - 1, n, score).item()
    shown = passed if blocked is None else blocked
    return DetectableEffect(
        demand, None if shown is None else math.sqrt(shown * (1 - shown) / n), blocked, passed
    )


def _line(thresholds: Thresholds) -> float:
    """How many standard errors above its bound a value has to be to pass."""
    policy = thresholds.policy
    blocking = max(1, sum(demand.tier == "block" for demand in thresholds.demands))
    match policy.uncertain:
        case "point":
            return 0.0
        case "fail":
            return _NORMAL.inv_cdf(1 - policy.error)
        case "allow":
            return -_NORMAL.inv_cdf(1 - policy.error / blocking)


def _decided(demand: Demand, images: int, record: Record | None) -> int | None:
    """Images that count for a share of `SHARES`."""
    if record is None:
        return images
    known = _known(demand, record)
    if known is None:
        return None
    found, behind = known
    parts = found.parts if isinstance(found, MeasurementRow) else {}
    decided = [parts[name].value for name in ("shape_hits", "texture_hits") if name in parts]
    return max(1, round(images * sum(decided) / behind)) if decided else images


def _stored(demand: Demand, images: int, record: Record) -> tuple[float | None, float | None]:
    """A run's value, and its standard error with another number of images."""
    known = _known(demand, record)
    if known is None:
        return None, None
    found, behind = known
    if found.limits is None:
        return found.value, None
    curve = ConfidenceCurve(found.limits)
    return found.value, (curve.at(1) - curve.at(-1)) / 2 * math.sqrt(behind / images)


def _known(demand: Demand, record: Record) -> tuple[QuantityRow, int] | None:
    """What a run found over all images of a set, of which there are at least two; and how many."""
    row = record.measurements.get(demand.dimension)
    if not isinstance(row, MeasurementRow) or row.stopped or row.masked:
        return None
    found = row if demand.part is None else row.parts.get(demand.part)
    if found is None or found.n is None or found.n < LEAST_IMAGES:
        return None
    behind = images_behind(found, demand.dimension, record)
    return None if behind is None or behind < LEAST_IMAGES else (found, behind)


def _binomial_error(demand: Demand, limit: float, images: int, accuracy: float) -> float | None:
    """Standard error of a value at a limit."""
    if demand.target in SHARES:
        return math.sqrt(limit * (1 - limit) / images)
    if demand.unit == "ratio":
        share = min(limit * accuracy, 1.0)
        if share <= 0:
            return None
        return limit * math.sqrt((1 - share) / (images * share) + (1 - accuracy) / (images * accuracy))
    if demand.target == "object_focus" and accuracy > 0:
        random = min(max(accuracy * limit, 0.0), 1.0)
        return math.sqrt(accuracy * (1 - accuracy) + random * (1 - random)) / (accuracy * math.sqrt(images))
    return None
