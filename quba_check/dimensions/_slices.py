"""Numbers on the slices of images, and their gaps to all other images."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from quba_check.core.confidence import bounded_curve
from quba_check.core.dimension import Better, Dimension
from quba_check.core.facts import Facts
from quba_check.core.measurement import Measurement, Quantity, SliceValues, Unmeasurable
from quba_check.core.predictions import SliceColumn, Tables
from quba_check.core.request import Request
from quba_check.core.view import View
from quba_check.dimensions._measuring import Masks, in_groups, with_groups
from quba_check.errors import QubaError, UnmeasurableError
from quba_check.metrics.class_metrics import Mask
from quba_check.stats.intervals import unpaired_difference_limits

SliceColumns = Mapping[View, Mapping[str, SliceColumn]]
"""The slices of the images of each view, by column."""


@dataclass(frozen=True, slots=True)
class OnSlice:
    """A number on some of the images.

    Attributes:
        single: with limits as if all images were independent.
        grouped: with each group of images as one observation.
    """

    single: Quantity
    grouped: Quantity


MeasureSlice = Callable[[Masks], Mapping[str, OnSlice]]
"""Measures a number, or that of each class by name, on some images of each view."""


@dataclass(frozen=True, slots=True)
class SlicedNumber:
    """A number that is measured on slices.

    Attributes:
        dimension: name of its dimension.
        better: its better direction.
        predictions: the tables behind it.
        columns: the slices of the images of each table.
        measure: measures it on some of the images; raises `QubaError`.
    """

    dimension: str
    better: Better
    predictions: Tables
    columns: SliceColumns
    measure: MeasureSlice

    def values(self, column: str, requests: Iterable[Request], *, with_gaps: bool = False) -> SliceValues:
        """Return the number on the slices of a column.

        Args:
            column: the column.
            requests: what is asked for; single slices keep the influences of images, for drops.
            with_gaps: measure all other images of each slice too, even if no gap is asked for.
        """
        kinds = {(request.slice, request.kind) for request in requests}
        with_gaps = with_gaps or any(kind == "gap" for _, kind in kinds)
        lacking = next((view for view, own in self.columns.items() if column not in own), None)
        if lacking is not None:
            reason = f"the set {lacking.set} has no such slices"
            return SliceValues(reason=Unmeasurable(self.dimension, reason, missing_data=True))
        slices = {view: own[column] for view, own in self.columns.items()}
        values: dict[str, Quantity] = {}
        gaps: dict[str, Quantity] = {}
        unmeasured: dict[str, Unmeasurable] = {}
        sizes: dict[str, int] = {}
        for name in dict.fromkeys(name for column in slices.values() for name in column.names):
            masks = {view: column.rows(name) for view, column in slices.items()}
            sizes[name] = min(int(np.count_nonzero(mask)) for mask in masks.values())
            own = self._measured(masks)
            if isinstance(own, Unmeasurable):
                unmeasured[name] = own
                continue
            for part, number in own.items():
                kept = on_all_images(number.grouped, masks) if (name, "value") in kinds else None
                cell = f"{part}, {name}" if part else name
                values[cell] = kept or replace(number.grouped, influences={}, sides={})
            rest = self._measured({view: ~mask for view, mask in masks.items()}) if with_gaps else None
            if isinstance(rest, Mapping) and "" in own:
                gaps[name] = self._gap(own[""], rest[""], masks)
        return SliceValues(values, gaps, unmeasured, sizes)

    def _measured(self, masks: Masks) -> Mapping[str, OnSlice] | Unmeasurable:
        empty = next((view for view, mask in masks.items() if not mask.any()), None)
        if empty is not None:
            return Unmeasurable(self.dimension, f"the set {empty.set} has no image of it", missing_data=True)
        try:
            return self.measure(masks)
        except QubaError as error:
            is_data = isinstance(error, UnmeasurableError) and error.missing_data
            return Unmeasurable(self.dimension, str(error), is_data)

    def _gap(self, own: OnSlice, rest: OnSlice, masks: Masks) -> Quantity:
        """Return how much worse a slice is than all other images.

        Both sums of influences of a group that spans them count as one observation. The number of groups that
        keeps a slice from being judged is that of the slice alone, as for its value.
        """
        first = on_all_images(own.single, masks)
        second = on_all_images(rest.single, {view: ~mask for view, mask in masks.items()})
        is_independent = own.grouped.curve is own.single.curve  # no groups, or one row for each
        if is_independent or not first.influences.keys() == second.influences.keys() != set():
            return gap(own.grouped, rest.grouped, self.better)
        change = replace(
            gap(own.single, rest.single, self.better),
            sample=replace(own.single.sample, groups=None, effective=None),
            influences={
                view: influence - second.influences[view] for view, influence in first.influences.items()
            },
            sides={  # of the images that count: sides of a difference have no others
                view: np.where(second.sides[view] > 0, second.sides[view] + side.max(), np.maximum(side, 0))
                for view, side in first.sides.items()
            },
        )
        change = with_groups(change, self.predictions, is_signed=True)
        sample = change.sample
        if sample.eligible_groups is None:
            sample = replace(sample, eligible_groups=own.grouped.sample.groups)
        return replace(change, influences={}, sides={}, sample=sample)


def on_all_images(quantity: Quantity, masks: Masks) -> Quantity:
    """Return a quantity of some images with influences on all."""
    influences: dict[Hashable, NDArray[np.float64]] = {}
    sides: dict[Hashable, NDArray[np.int8]] = {}
    by_view: Mapping[Hashable, Mask] = dict(masks.items())
    for view, own in quantity.influences.items():
        mask = by_view.get(view)
        if mask is None or np.count_nonzero(mask) != len(own):
            return replace(quantity, influences={}, sides={})
        influences[view], sides[view] = np.zeros(len(mask)), np.zeros(len(mask), np.int8)
        influences[view][mask] = own * (len(mask) / len(own))
        sides[view][mask] = quantity.sides.get(view, 1)
    return replace(quantity, influences=influences, sides=sides)


def gap(own: Quantity, rest: Quantity, better: Better) -> Quantity:
    """Return the gap of a slice to all other images, independent ones."""
    low, high = (own, rest) if better == "high" else (rest, own)
    curve = None
    if low.curve is not None and high.curve is not None:
        first = np.array(low.curve.limits)
        second = np.array(high.curve.limits)
        curve = bounded_curve(unpaired_difference_limits(low.value, first, high.value, second))
    sample = replace(own.sample, effective=None)
    return Quantity(high.value - low.value, own.unit, own.n, curve, sample=sample)


def measure_slices(
    dimension: Dimension,
    whole: Measurement,
    predictions: Tables,
    slices: SliceColumns,
    facts: Facts,
    requests: Collection[Request] = (),
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
        requests: what is asked for of slices.
        with_gaps: measure all other images of each slice too, which takes most of the time.
    """
    # Requested parts have slices of their own, so that sets of theirs alone need none here.
    facts = replace(facts, suite=replace(facts.suite, requests=()), with_tables=False)
    needed = dimension.views(facts.suite)
    predictions = {view: table for view, table in predictions.items() if view in needed}
    if dimension.name == "accuracy":  # its parts alone read probabilities, and slices have no parts
        predictions = {view: replace(table, probabilities=None) for view, table in predictions.items()}

    def measured(masks: Masks) -> Mapping[str, OnSlice]:
        selected = {view: table.rows(masks[view]) for view, table in predictions.items()}
        single = dimension.measure(selected, facts)
        return {"": OnSlice(single.whole, in_groups(dimension, single, selected, facts).whole)}

    columns = {view: own for view, own in slices.items() if view in needed}
    number = SlicedNumber(dimension.name, dimension.better, predictions, columns, measured)
    names = dict.fromkeys(column for own in columns.values() for column in own)
    return replace(whole, slices={name: number.values(name, requests, with_gaps=with_gaps) for name in names})
