"""Measurements of slices: a dimension on the images of each slice, and on all others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from quba_check.core.confidence import bounded_curve
from quba_check.core.dimension import Better, Dimension
from quba_check.core.facts import Facts
from quba_check.core.measurement import Measurement, Quantity, Unmeasurable
from quba_check.core.predictions import Tables
from quba_check.core.slices import SliceColumn
from quba_check.core.view import View
from quba_check.dimensions._groups import measure_dimension
from quba_check.errors import QubaError, UnmeasurableError
from quba_check.stats.intervals import unpaired_difference_limits

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
