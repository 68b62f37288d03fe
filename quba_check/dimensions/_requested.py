"""Requested numbers of a dimension, and the worst of several."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import numpy as np

from quba_check.core.confidence import SCORES, bounded_curve
from quba_check.core.facts import SuiteFacts
from quba_check.core.measurement import Measurement, Quantity, Unmeasurable
from quba_check.core.request import Better, Part, Request
from quba_check.errors import UnmeasurableError
from quba_check.stats.intervals import Limits, LimitsAt, Scores, smallest_limits


def requests_of(dimension: str, suite: SuiteFacts) -> tuple[Request, ...]:
    """Return the requests that are further parts of a dimension."""
    return tuple(one for one in suite.requests if one.dimension == dimension and one.is_further_part)


def requested_parts(dimension: str, suite: SuiteFacts) -> tuple[Part, ...]:
    """Return the requests of a dimension as its parts."""
    return tuple(request.as_part for request in requests_of(dimension, suite))


def worst_quantity(
    values: Iterable[float],
    limits: Iterable[LimitsAt] | None,
    like: Quantity,
    better: Better = "high",
    room: tuple[float, float] = (-math.inf, math.inf),
) -> Quantity:
    """Return the worst of several numbers, with limits that hold for all simultaneously.

    Args:
        values: the numbers.
        limits: the limits of each; None if those of one are unknown.
        like: unit, n, images and groups of the result.
        better: the better direction.
        room: the possible range of a number.
    """
    sign, curve = (1 if better == "high" else -1), None
    if limits is not None:
        smallest = smallest_limits([partial(_flipped, one, sign) for one in limits], np.array(SCORES))
        curve = bounded_curve((sign * smallest)[::sign], *room)
    return replace(like, value=min(values, key=lambda value: sign * value), curve=curve)


def _flipped(limits: LimitsAt, sign: int, z: Scores) -> Limits:
    """Return the limits of a number multiplied by a sign."""
    return sign * limits(sign * z)


def with_requests(
    measurement: Measurement, suite: SuiteFacts, quantity_of: Callable[[Request], Quantity]
) -> Measurement:
    """Return a measurement with the requested numbers as further parts, or the reasons for none.

    Args:
        measurement: the measurement.
        suite: facts with the requests.
        quantity_of: measures one; raises `UnmeasurableError`.
    """
    parts, unmeasured = dict(measurement.parts), dict(measurement.unsliced)
    for request in requests_of(measurement.dimension, suite):
        try:
            parts[request.name] = quantity_of(request)
        except UnmeasurableError as error:
            unmeasured[request.name] = Unmeasurable(measurement.dimension, error.reason, error.missing_data)
    return replace(measurement, parts=parts, unsliced=unmeasured)
