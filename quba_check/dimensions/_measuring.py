"""Measurements with each group of images as one observation, and of slices."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from quba_check.core.confidence import SCORES, bounded_curve
from quba_check.core.dimension import Better, Dimension
from quba_check.core.facts import Facts
from quba_check.core.measurement import GroupsOfSets, Measurement, Quantity, Unmeasurable
from quba_check.core.predictions import SliceColumn, Tables
from quba_check.core.view import View
from quba_check.errors import QubaError, UnmeasurableError
from quba_check.stats.clusters import LEAST_GROUPS, group_effect, jackknife_effect
from quba_check.stats.intervals import unpaired_difference_limits

AnyQuantity = TypeVar("AnyQuantity", bound=Quantity)
BLOCKS = 20
"""Largest number of blocks of groups that are left out, one after another."""


def measure_dimension(dimension: Dimension, predictions: Tables, facts: Facts) -> Measurement:
    """Return the measurement of a dimension; the groups of its tables only widen intervals.

    Raises:
        UnmeasurableError: the dimension has no value here.
    """
    measurement, groups = dimension.measure(predictions, facts), groups_of_sets(predictions)
    if not groups:
        return measurement

    left_out = cache(partial(_without_blocks, dimension, predictions, facts))

    def values(name: str | None) -> list[float]:
        return [part.value for one in left_out() if (part := one.quantity(name)) is not None]

    parts = {
        name: with_groups(part, predictions, partial(values, name))
        for name, part in measurement.parts.items()
    }
    whole = with_groups(measurement, predictions, partial(values, None))
    return replace(whole, parts=parts, groups_of_sets=groups)


def groups_of_sets(predictions: Tables) -> GroupsOfSets:
    """Return the groups of the tables that have them."""
    return {view: table.group for view, table in predictions.items() if table.group is not None}


def _without_blocks(dimension: Dimension, predictions: Tables, facts: Facts) -> list[Measurement]:
    """Return measurements without one block of groups each; none if one has no value."""
    groups = {view: table.group for view, table in predictions.items() if table.group is not None}
    names = np.unique(np.concatenate(list(groups.values())))
    blocks = {view: np.searchsorted(names, group) % BLOCKS for view, group in groups.items()}
    facts, measurements = replace(facts, with_tables=False), []
    try:
        for number in range(min(BLOCKS, len(names))):
            kept = {view: predictions[view].rows(block != number) for view, block in blocks.items()}
            measurements.append(dimension.measure({**predictions, **kept}, facts))
    except QubaError:
        return []
    return measurements


def with_groups(
    quantity: AnyQuantity, predictions: Tables, values: Callable[[], list[float]] = list
) -> AnyQuantity:
    """Return a quantity with limits that count each group as one observation.

    Args:
        quantity: the quantity.
        predictions: the tables behind it.
        values: returns the values without one block of groups each, for a quantity without influences on the
            rows of the tables; empty if unknown.
    """
    rows: dict[Hashable, int] = {view: len(table) for view, table in predictions.items()}
    groups, effect = groups_of_sets(predictions), None
    if quantity.groups is not None or not groups:
        return quantity
    if quantity.influences and all(rows.get(name) == len(one) for name, one in quantity.influences.items()):
        effect = group_effect(quantity.influences, groups, quantity.sides)
    elif quantity.curve is not None:
        effect = jackknife_effect(values(), (quantity.curve.at(1) - quantity.curve.at(-1)) / 2, groups)
    if effect is None:
        return quantity
    n = quantity.images or quantity.n
    quantity = replace(quantity, groups=effect.count, debiased_limit=None)
    if quantity.curve is None or effect.count < LEAST_GROUPS:
        return replace(quantity, curve=None)
    room = (0.0, 1.0) if quantity.unit in ("fraction", "ratio") else None
    scores = effect.scores(np.array(SCORES))
    curve = quantity.curve.widen(quantity.value, scores, effect.factor, room)
    return replace(quantity, curve=curve, effective=None if n is None else n / effect.factor)


Slices = Mapping[View, Mapping[str, SliceColumn]]
Rows = Mapping[View, NDArray[np.bool_]]


def measure_slices(
    dimension: Dimension,
    whole: Measurement,
    predictions: Tables,
    slices: Slices,
    facts: Facts,
    *,
    with_gaps: bool = True,
) -> Measurement:
    """Return a measurement with the values of slices, and their gaps to all other images.

    Args:
        dimension: the dimension.
        whole: its measurement on all images.
        predictions: the tables of its views.
        slices: the slices of each view, by column.
        facts: suite, model and protocol.
        with_gaps: measure all other images of each slice too, which takes most of the time.
    """
    # Requested parts are not measured on slices, so that sets of theirs alone need no slices.
    facts = replace(facts, suite=replace(facts.suite, requests=()), with_tables=False)
    needed = dimension.views(facts.suite)
    predictions = {view: table for view, table in predictions.items() if view in needed}
    slices = {view: columns for view, columns in slices.items() if view in needed}
    values: dict[str, Quantity] = {}
    gaps: dict[str, Quantity] = {}
    unsliced: dict[str, Unmeasurable] = {}

    def measured(rows: Rows) -> Quantity | Unmeasurable:
        selected = {view: table.rows(rows[view]) for view, table in predictions.items()}
        empty = next((view for view, table in selected.items() if not len(table)), None)
        if empty is not None:
            return Unmeasurable(dimension.name, f"the set {empty.set} has no image of it", missing_data=True)
        try:
            return replace(measure_dimension(dimension, selected, facts).whole, influences={})
        except QubaError as error:
            is_data = isinstance(error, UnmeasurableError) and error.missing_data
            return Unmeasurable(dimension.name, str(error), is_data)

    for column in dict.fromkeys(column for columns in slices.values() for column in columns):
        lacking = next((view.set for view, columns in slices.items() if column not in columns), None)
        if lacking is not None:
            reason = f"the set {lacking} has no such slices"
            unsliced[column] = Unmeasurable(dimension.name, reason, missing_data=True)
            continue
        by_view = {view: columns[column] for view, columns in slices.items()}
        for name in dict.fromkeys(name for one in by_view.values() for name in one.names):
            rows = {view: one.rows(name) for view, one in by_view.items()}
            own = measured(rows)
            if isinstance(own, Unmeasurable):
                unsliced[name] = own
                continue
            values[name] = own
            rest = measured({view: ~mask for view, mask in rows.items()}) if with_gaps else None
            if isinstance(rest, Quantity):
                gaps[name] = gap(own, rest, dimension.better)
    return replace(whole, slices=values, gaps=gaps, unsliced={**whole.unsliced, **unsliced})


def gap(own: Quantity, rest: Quantity, better: Better) -> Quantity:
    """Return how much worse a slice is than all other images."""
    low, high = (own, rest) if better == "high" else (rest, own)
    curve = None
    if low.curve is not None and high.curve is not None:
        first, second = np.array(low.curve.limits), np.array(high.curve.limits)
        curve = bounded_curve(unpaired_difference_limits(low.value, first, high.value, second))
    return Quantity(high.value - low.value, own.unit, own.n, curve, images=own.images, groups=own.groups)
