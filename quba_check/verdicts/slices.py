"""The worst slice of a column and its largest gap, from a number on slices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from quba_check.core.confidence import SCORES, ConfidenceCurve
from quba_check.core.measurement import Measurement, Quantity, Sample, SliceValues, Unmeasurable
from quba_check.core.predictions import column_of
from quba_check.core.request import EACH, Better
from quba_check.demands import Demand
from quba_check.dimensions import worst_quantity
from quba_check.messages import allowing, did_you_mean, listed
from quba_check.number_format import format_value, interval_text
from quba_check.stats.clusters import LEAST_GROUPS
from quba_check.stats.intervals import LimitsAt

MOST_NAMED = 10
WORST_NAMED = 3
"""Largest number of slices named as too small, and as the worst ones."""


def with_slices(demand: Demand, measurement: Measurement) -> Measurement | Unmeasurable:
    """Return a measurement with the value of a demand on slices, or a reason.

    Args:
        demand: a demand on slices.
        measurement: the measurement of its dimension.
    """
    request = demand.request
    sliced = _sliced(demand, measurement)
    column = column_of(request.slice)
    if sliced.reason is not None:
        return replace(sliced.reason, reason=f"{column}: {sliced.reason.reason}")
    if request.kind == "value":
        return _named(demand, measurement, sliced)
    failed = _without_value(demand, sliced)
    if failed is not None:
        return failed
    if request.kind == "gap" and not sliced.gaps:
        text = f"this run measured no gaps of {column}"
        if len(sliced.values) == 1:
            text = f"a gap needs two slices, and the column {column} has one: {next(iter(sliced.values))}"
        return Unmeasurable(demand.dimension, text, missing_data=True)
    judged = _judged(demand, sliced)
    note = size_note(demand, measurement)
    if not judged:
        return Unmeasurable(demand.dimension, allowing(note, _least(demand, sliced)), missing_data=True)
    worst = worst_note("largest gaps" if request.kind == "gap" else "worst slices", judged, demand.better)
    number = measurement.quantity(request.on_all_images.part) or measurement
    notes = (worst, note, _interval_note(judged), *measurement.notes, *number.notes)
    parts = {**measurement.parts, str(demand.part): worst_of(judged, demand.better)}
    return replace(measurement, parts=parts, notes=tuple(filter(None, dict.fromkeys(notes))))


def worst_slice(demand: Demand, measurement: Measurement) -> str:
    """Return the judged slice with the worst number.

    It is empty without one, and for a class on a slice.
    """
    judged = _judged(demand, _sliced(demand, measurement))
    sign = 1 if demand.better == "high" else -1
    name = min(judged, key=lambda slice_name: sign * judged[slice_name].value, default="")
    return name if column_of(name) == demand.request.slice else ""


def number_compared(demand: Demand, measurement: Measurement) -> int:
    """Return the number of slices or classes of which the worst is judged, else 1."""
    if demand.request.kind != "value":
        return len(_judged(demand, _sliced(demand, measurement)))
    table = measurement.tables.get(demand.part or "")
    return len(table.rows) if demand.request.target == EACH and table is not None else 1


def size_note(demand: Demand, measurement: Measurement) -> str:
    """Return a note on the slices that are not judged; empty without one."""
    sliced = _sliced(demand, measurement)
    names = [*sliced.values, *sliced.unmeasured]
    judged = _judged(demand, sliced)
    others = [
        f"{name} ({_size(demand, sliced.values[name])})" if name in sliced.values else name
        for name in names
        if name not in judged
    ]
    if not others:
        return ""
    return f"judged {len(judged):,} of {len(names):,} slices; too small: {listed(others, MOST_NAMED)}"


def shortage(demand: Demand, quantity: Quantity) -> str:
    """Return the lack of images or groups of a slice in words; empty without one.

    Images and groups count that the model cannot change: else a worse one could be too small to be judged.
    """
    images, groups, of_side = _counts(quantity)
    if images < demand.min_images:
        text = f"{images:,} {row_noun(quantity)}{of_side}"
        return allowing(text, f"at least {demand.min_images:,} (min_images)")
    if groups is not None and groups < demand.min_groups:
        text = f"{groups:,} groups of images{of_side}"
        return allowing(text, f"at least {demand.min_groups:,} (min_groups)")
    return ""


def row_noun(quantity: Quantity) -> str:
    """Return `groups` if each row of a number is a decided group, else `images`."""
    sample = quantity.sample
    is_whole = sample.groups is not None and sample.groups == quantity.different_images
    # A few answers, or images of the rarer side, may be of the same number of groups.
    return "groups" if is_whole and sample.eligible == sample.eligible_groups else "images"


def _least(demand: Demand, sliced: SliceValues) -> str:
    """Return the smallest slice that is judged, in words."""
    quantities = sliced.values.values()
    if quantities and all(row_noun(quantity) == "groups" for quantity in quantities):
        least = max(demand.min_images, demand.min_groups)
        return f"at least {least:,} groups (min_images and min_groups), and groups of another slice"
    is_grouped = any(quantity.sample.groups is not None for quantity in quantities)
    groups = f" in {demand.min_groups:,} groups (min_groups)" if is_grouped else ""
    return f"at least {demand.min_images:,} images (min_images){groups}, and images of another slice"


def _sliced(demand: Demand, measurement: Measurement) -> SliceValues:
    """Return the number on the slices of the demand's column, or the reason for none."""
    number = measurement.quantity(demand.request.on_all_images.part)
    slices = {} if number is None else number.slices
    reason = Unmeasurable(demand.dimension, "this run measured no slices of it", missing_data=True)
    return slices.get(column_of(demand.request.slice), SliceValues(reason=reason))


def _named(demand: Demand, measurement: Measurement, sliced: SliceValues) -> Measurement | Unmeasurable:
    """Return a measurement with the value of one slice, or a reason."""
    name = demand.request.slice
    if name in sliced.unmeasured:
        return replace(sliced.unmeasured[name], reason=f"{name}: {sliced.unmeasured[name].reason}")
    quantity = sliced.values.get(name)
    if quantity is None:
        near = did_you_mean(name, sliced.values)
        text = f"no image is in the slice {name}. Measured: {listed(sliced.values)}. {near}".rstrip()
    elif text := shortage(demand, quantity):
        text = f"{name} has {text}"
    else:
        return replace(measurement, parts={**measurement.parts, str(demand.part): quantity})
    return Unmeasurable(demand.dimension, text.removesuffix("."), missing_data=True)


def _without_value(demand: Demand, sliced: SliceValues) -> Unmeasurable | None:
    """Return the reason of a large enough slice without a value."""
    for name, outcome in sliced.unmeasured.items():
        if not outcome.missing_data and sliced.sizes.get(name, demand.min_images) >= demand.min_images:
            return replace(outcome, reason=f"{name}: {outcome.reason}")
    return None


def _interval_note(judged: Mapping[str, Quantity]) -> str:
    """Return a note on slices of too few groups for an interval; else nothing."""
    few = [
        f"{name} ({quantity.sample.groups})"
        for name, quantity in judged.items()
        if quantity.curve is None and (quantity.sample.groups or LEAST_GROUPS) < LEAST_GROUPS
    ]
    named = listed(few, MOST_NAMED)
    return f"no interval: fewer than {LEAST_GROUPS} groups count in {named}" if few else ""


def _judged(demand: Demand, sliced: SliceValues) -> dict[str, Quantity]:
    """Return the values, or gaps, of the slices with enough images."""
    values = sliced.gaps if demand.request.kind == "gap" else sliced.values
    return {name: quantity for name, quantity in values.items() if not shortage(demand, quantity)}


def _counts(quantity: Quantity) -> tuple[int, int | None, str]:
    """Return the images and groups that `min_images` and `min_groups` count, and their side."""
    sample = quantity.sample
    images = (quantity.different_images or 0) if sample.eligible is None else sample.eligible
    groups = sample.groups if sample.eligible_groups is None else sample.eligible_groups
    return images, groups, sample.eligible_of and f" of {sample.eligible_of}"


def _size(demand: Demand, quantity: Quantity) -> str:
    """Return the size of a slice: its images, or groups if these are too few."""
    images, groups, of_side = _counts(quantity)
    is_short_of_groups = groups is not None and groups < demand.min_groups and images >= demand.min_images
    return f"{groups:,} groups{of_side}" if is_short_of_groups else f"{images:,}{of_side}"


def _text(name: str, quantity: Quantity) -> str:
    """Return a slice with its value, interval and number of images."""
    n = quantity.different_images or 0
    interval = interval_text(quantity.interval, quantity.unit, n)
    sample = ", ".join(filter(None, (interval, f"n = {n:,}")))
    return f"{name} {format_value(quantity.value, quantity.unit)} ({sample})"


def worst_note(heading: str, judged: Mapping[str, Quantity], better: Better) -> str:
    """Return a note on the slices or classes with the worst numbers."""
    sign = 1 if better == "high" else -1
    ranked = sorted(judged, key=lambda name: sign * judged[name].value)[:WORST_NAMED]
    return f"{heading}: {', '.join(_text(name, judged[name]) for name in ranked)}"


def worst_of(judged: Mapping[str, Quantity], better: Better) -> Quantity:
    """Return the worst value with simultaneous limits."""
    quantities = list(judged.values())
    n = sum(quantity.different_images or 0 for quantity in quantities)
    groups = min(
        (quantity.sample.groups for quantity in quantities if quantity.sample.groups is not None),
        default=None,
    )
    curves = [quantity.curve for quantity in quantities if quantity.curve is not None]
    limits = [_limits_at(curve) for curve in curves]
    like = Quantity(0.0, quantities[0].unit, n, sample=Sample(groups=groups))
    known = limits if len(limits) == len(quantities) else None
    return worst_quantity([quantity.value for quantity in quantities], known, like, better)


def _limits_at(curve: ConfidenceCurve) -> LimitsAt:
    return lambda z: np.interp(z, SCORES, curve.limits)
