"""What a gate notices: how far below a bound a model must be before it is blocked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from quba_check.demands.demand import Demand, Thresholds
from quba_check.protocol.confidence import ConfidenceCurve
from quba_check.protocol.measurement_rows import MeasurementRow
from quba_check.protocol.record import Record
from quba_check.tuning.protocols import check_protocol

POWER = 0.8
"""How often a drop must be noticed to count as noticed."""
USUAL_ACCURACY = 0.8
"""Clean accuracy that ratios are taken to be relative to where the file demands none."""
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Reach:
    """What a demand notices.

    Attributes:
        demand: the demand.
        error: standard error of the value at the bound; None where it takes a record to know it, and of what
            is not drawn or no number.
        blocked: a model with this true value is blocked in 80 % of runs.
        passed: a model with this true value passes in 80 % of runs.
    """

    demand: Demand
    error: float | None
    blocked: float | None
    passed: float | None


def reaches(thresholds: Thresholds, images: int, record: Record | None = None) -> tuple[Reach, ...]:
    """What each demand of a file notices with so many images in each set.

    Args:
        thresholds: the file; its policy counts.
        images: images of the clean set, and of every other.
        record: a run whose standard errors are scaled by the square root of its clean images over `images`.
            Without one they are binomial at the bound; ratios as if their images were others than the clean
            ones, which is on the safe side, and errors of calibration, balance and score are not known.

    Drops have the error of two runs on different images: runs on the same ones notice smaller drops. Without
    a record that is known of what the file bounds by `min` too.

    Raises:
        ThresholdError: the record is of another protocol than the file is about.
    """
    least = {
        demand.target: float(demand.limit)
        for demand in thresholds.demands
        if demand.bound == "min" and not isinstance(demand.limit, str)
    }
    accuracy = least.get("accuracy", USUAL_ACCURACY)
    if record:
        check_protocol(thresholds, record)
    found = []
    for demand in thresholds.demands:
        if isinstance(demand.limit, str):
            found.append(Reach(demand, None, None, None))
            continue
        value = least.get(demand.target) if demand.needs_baseline else float(demand.limit)
        if record:
            value, error = _stored(demand, images, record)
        else:
            error = None if value is None else _binomial_error(demand, value, images, accuracy)
        if error is not None and demand.needs_baseline:
            error *= math.sqrt(2)
            if demand.bound == "max_relative_drop":
                error = error / value if value else None
        found.append(_reach(demand, error, thresholds))
    return tuple(found)


def _reach(demand: Demand, error: float | None, thresholds: Thresholds) -> Reach:
    if error is None:
        return Reach(demand, None, None, None)
    below, above = _scores(thresholds)
    sign = 1 if demand.bound == "min" else -1
    limit = float(demand.limit)
    return Reach(demand, error, limit - sign * below * error, limit + sign * above * error)


def _scores(thresholds: Thresholds) -> tuple[float, float]:
    """Standard errors below the bound where a model is mostly blocked, and above where it mostly passes."""
    often, policy = _NORMAL.inv_cdf(POWER), thresholds.policy
    blocking = max(1, sum(demand.tier == "block" for demand in thresholds.demands))
    match policy.uncertain:
        case "point":
            return often, often
        case "fail":
            shown = _NORMAL.inv_cdf(1 - policy.error)
            return often - shown, often + shown
        case "allow":
            shown = _NORMAL.inv_cdf(1 - policy.error / blocking)
            return often + shown, often - shown


def _stored(demand: Demand, images: int, record: Record) -> tuple[float | None, float | None]:
    """A run's value, and its standard error with another number of images."""
    rows = record.measurements
    row, clean = rows.get(demand.dimension), rows.get("accuracy")
    if not isinstance(row, MeasurementRow) or not isinstance(clean, MeasurementRow) or clean.n is None:
        return None, None
    found = row if demand.part is None else row.parts.get(demand.part)
    if found is None or found.limits is None:
        return None, None
    curve = ConfidenceCurve(found.limits)
    return found.value, (curve.at(1) - curve.at(-1)) / 2 * math.sqrt(clean.n / images)


def _binomial_error(demand: Demand, limit: float, images: int, accuracy: float) -> float | None:
    """Standard error of a value at a limit."""
    if demand.target in ("accuracy", "accuracy.top5", "shape_bias"):
        return math.sqrt(limit * (1 - limit) / images)
    if demand.unit == "ratio":
        share = min(limit * accuracy, 1.0)
        if share <= 0:
            return None
        return limit * math.sqrt((1 - share) / (images * share) + (1 - accuracy) / (images * accuracy))
    if demand.target == "object_focus":
        random = min(max(accuracy * limit, 0.0), 1.0)
        return math.sqrt(accuracy * (1 - accuracy) + random * (1 - random)) / (accuracy * math.sqrt(images))
    return None
