"""The worst slice of a column and its largest gap, from a measurement of slices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from quba_check.core.confidence import SCORES, ConfidenceCurve
from quba_check.core.measurement import Measurement, Quantity, Unmeasurable
from quba_check.core.predictions import column_of
from quba_check.core.request import EACH, Better
from quba_check.demands import Demand
from quba_check.dimensions import worst_quantity
from quba_check.messages import did_you_mean, listed
from quba_check.number_format import format_value, interval_text
from quba_check.stats.intervals import LimitsAt

MOST_NAMED, WORST_NAMED = 10, 3
"""Largest number of slices named as too small, and as the worst ones."""


def with_slices(demand: Demand, measurement: Measurement) -> Measurement | Unmeasurable:
    """Return a measurement with the value of a demand on slices, or a reason.

    Args:
        demand: a demand on slices.
        measurement: the measurement of its dimension.
    """
    name, unsliced = demand.request.slice, measurement.unsliced
    failed = (one for one in unsliced if column_of(one) == name and not unsliced[one].missing_data)
    missing = next((one for one in (column_of(name), name, *failed) if one in unsliced), None)
    if missing is not None:
        return replace(unsliced[missing], reason=f"{missing}: {unsliced[missing].reason}")
    measured = measurement.gaps if demand.request.kind == "gap" else measurement.slices
    columns = dict.fromkeys(map(column_of, (*measured, *unsliced)))
    if column_of(name) not in columns:
        what = "gaps" if demand.request.kind == "gap" else "slices"
        text = f"this run measured no {what} of {column_of(name)}. Measured: {listed(columns) or 'none'}"
        if len(only := [one for one in measurement.slices if column_of(one) == name]) == 1:
            text = f"a gap needs two slices, and the column {name} has one: {only[0]}"
        return Unmeasurable(demand.dimension, text, missing_data=True)
    if demand.request.kind == "value":
        return _problem(demand, measurement) or measurement
    judged = _judged(demand, measurement)
    note = size_note(demand, measurement)
    if not judged:
        allowed = f"at least {demand.min_images:,} images (min_images), and images of another slice"
        return Unmeasurable(demand.dimension, f"{note}. Allowed: {allowed}", missing_data=True)
    sign = 1 if demand.better == "high" else -1
    ranked = sorted(judged, key=lambda one: sign * judged[one].value)[:WORST_NAMED]
    heading = "largest gaps" if demand.request.kind == "gap" else "worst slices"
    worst = f"{heading}: {', '.join(_text(one, judged[one]) for one in ranked)}"
    parts = {**measurement.parts, str(demand.part): _worst(judged, demand.better)}
    return replace(measurement, parts=parts, notes=(worst, *([note] if note else []), *measurement.notes))


def number_compared(demand: Demand, measurement: Measurement) -> int:
    """Return the number of slices or classes of which the worst is judged, else 1."""
    if demand.request.kind != "value":
        return len(_judged(demand, measurement))
    table = measurement.tables.get(demand.part or "")
    return len(table.rows) if demand.request.target == EACH and table is not None else 1


def size_note(demand: Demand, measurement: Measurement) -> str:
    """Return a note on the slices that are not judged; empty without one."""
    names = [
        name
        for name in (*measurement.slices, *measurement.unsliced)
        if column_of(name) == demand.request.slice
    ]
    judged = _judged(demand, measurement)
    others = [
        f"{name} ({_images(measurement.slices[name]):,})" if name in measurement.slices else name
        for name in names
        if name not in judged
    ]
    if not others:
        return ""
    return f"judged {len(judged):,} of {len(names):,} slices; too small: {listed(others, MOST_NAMED)}"


def _problem(demand: Demand, measurement: Measurement) -> Unmeasurable | None:
    """Return why one named slice cannot be judged, else None."""
    name = demand.request.slice
    quantity = measurement.slices.get(name)
    if quantity is None:
        same = [other for other in measurement.slices if column_of(other) == column_of(name)]
        text = f"no image is in the slice {name}. Measured: {listed(same)}.{did_you_mean(name, same)}"
    elif shortage := _shortage(demand, quantity):
        text = f"{name} has {shortage}"
    else:
        return None
    return Unmeasurable(demand.dimension, text.removesuffix("."), missing_data=True)


def _judged(demand: Demand, measurement: Measurement) -> dict[str, Quantity]:
    """Return the values, or gaps, of the slices of a column with enough images."""
    values = measurement.gaps if demand.request.kind == "gap" else measurement.slices
    return {
        name: quantity
        for name, quantity in values.items()
        if column_of(name) == demand.request.slice and not _shortage(demand, quantity)
    }


def _shortage(demand: Demand, quantity: Quantity) -> str:
    """Return the lack of images or groups of a slice in words; empty without one."""
    if _images(quantity) < demand.min_images:
        return f"{_images(quantity):,} images. Allowed: at least {demand.min_images:,} (min_images)"
    if quantity.groups is not None and quantity.groups < demand.min_groups:
        return f"{quantity.groups:,} groups of images. Allowed: at least {demand.min_groups:,} (min_groups)"
    return ""


def _images(quantity: Quantity) -> int:
    return quantity.images or quantity.n or 0


def _text(name: str, quantity: Quantity) -> str:
    """Return a slice with its value, interval and number of images."""
    ends, n = quantity.interval, _images(quantity)
    interval = "" if ends is None else f"{interval_text(ends, quantity.unit, n)}, "
    return f"{name} {format_value(quantity.value, quantity.unit)} ({interval}n = {n:,})"


def _worst(judged: Mapping[str, Quantity], better: Better) -> Quantity:
    """Return the worst value with simultaneous limits."""
    quantities, n = list(judged.values()), sum(map(_images, judged.values()))
    groups = min((one.groups for one in quantities if one.groups is not None), default=None)
    curves = [quantity.curve for quantity in quantities if quantity.curve is not None]
    limits = [_limits_at(curve) for curve in curves]
    like = Quantity(0.0, quantities[0].unit, n, groups=groups)
    known = limits if len(limits) == len(quantities) else None
    return worst_quantity([one.value for one in quantities], known, like, better)


def _limits_at(curve: ConfidenceCurve) -> LimitsAt:
    return lambda z: np.interp(z, SCORES, curve.limits)
