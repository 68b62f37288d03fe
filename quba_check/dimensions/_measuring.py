"""Measurements with each group of images as one observation."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import TypeVar

import numpy as np

from quba_check.core.confidence import SCORES
from quba_check.core.dimension import Dimension
from quba_check.core.facts import Facts
from quba_check.core.measurement import GroupsOfSets, Measurement, Quantity
from quba_check.core.predictions import Tables
from quba_check.core.view import View
from quba_check.errors import QubaError
from quba_check.metrics.class_metrics import Mask
from quba_check.stats.clusters import LEAST_GROUPS, group_effect, jackknife_effect

AnyQuantity = TypeVar("AnyQuantity", bound=Quantity)
Measured = TypeVar("Measured")
Masks = Mapping[View, Mask]
"""Some of the images of each view."""
BLOCKS = 20
"""Largest number of blocks of groups that are left out, one after another."""


def measure_dimension(dimension: Dimension, predictions: Tables, facts: Facts) -> Measurement:
    """Return the measurement of a dimension; the groups of its tables only widen intervals.

    Raises:
        UnmeasurableError: the dimension has no value here.
    """
    return in_groups(dimension, dimension.measure(predictions, facts), predictions, facts)


def in_groups(
    dimension: Dimension, measurement: Measurement, predictions: Tables, facts: Facts
) -> Measurement:
    """Return a measurement with limits that count each group of its tables as one observation."""
    groups = groups_of_sets(predictions)
    if not groups:
        return measurement
    # Requested parts are measured with the groups of their own rows.
    requested = {request.name for request in facts.suite.requests_of(dimension.name)}
    facts = replace(facts, suite=replace(facts.suite, requests=()), with_tables=False)

    def measured(kept: Masks) -> Measurement:
        tables = {view: table.rows(kept[view]) for view, table in predictions.items() if view in kept}
        return dimension.measure({**predictions, **tables}, facts)

    left_out = cache(partial(without_blocks, predictions, measured))

    def values(name: str | None) -> list[float]:
        return [part.value for measurement in left_out() if (part := measurement.quantity(name)) is not None]

    parts = {
        name: part if name in requested else with_groups(part, predictions, partial(values, name))
        for name, part in measurement.parts.items()
    }
    whole = with_groups(measurement, predictions, partial(values, None))
    return replace(whole, parts=parts, groups_of_sets=groups)


def groups_of_sets(predictions: Tables) -> GroupsOfSets:
    """Return the groups of the tables that have them."""
    return {view: table.group for view, table in predictions.items() if table.group is not None}


def without_blocks(predictions: Tables, measure: Callable[[Masks], Measured]) -> list[Measured]:
    """Return the values without one block of groups each; none if one is unmeasurable.

    Args:
        predictions: the tables.
        measure: measures some images of each table with groups; raises `QubaError`.
    """
    groups = {view: table.group for view, table in predictions.items() if table.group is not None}
    names = np.unique(np.concatenate(list(groups.values())))
    blocks = {view: np.searchsorted(names, group) % BLOCKS for view, group in groups.items()}
    try:
        return [
            measure({view: block != number for view, block in blocks.items()})
            for number in range(min(BLOCKS, len(names)))
        ]
    except QubaError:
        return []


def with_groups(
    quantity: AnyQuantity,
    predictions: Tables,
    values: Callable[[], list[float]] = list,
    *,
    is_signed: bool = False,
) -> AnyQuantity:
    """Return a quantity with limits that count each group as one observation.

    Args:
        quantity: the quantity.
        predictions: the tables behind it.
        values: returns the values without one block of groups each, for a quantity without influences on the
            rows of the tables; empty if unknown.
        is_signed: the quantity is a difference, which can be below 0.
    """
    rows: dict[Hashable, int] = {view: len(table) for view, table in predictions.items()}
    groups = groups_of_sets(predictions)
    effect = None
    if quantity.sample.groups is not None or not groups:
        return quantity
    if quantity.influences and all(
        rows.get(name) == len(influence) for name, influence in quantity.influences.items()
    ):
        effect = group_effect(quantity.influences, groups, quantity.sides, is_difference=is_signed)
    elif quantity.curve is not None:
        effect = jackknife_effect(values(), (quantity.curve.at(1) - quantity.curve.at(-1)) / 2, groups)
    if effect is None:
        return quantity
    n = quantity.different_images
    sample = replace(quantity.sample, groups=effect.count)
    quantity = replace(quantity, sample=sample, debiased_limit=None)
    if quantity.curve is None or effect.count < LEAST_GROUPS:
        return replace(quantity, curve=None)
    room = (0.0, 1.0) if quantity.unit in ("fraction", "ratio") and not is_signed else None
    curve = quantity.curve.widen(quantity.value, effect.scores(np.array(SCORES)), effect.factor, room)
    sample = replace(sample, effective=None if n is None else n / effect.factor)
    return replace(quantity, curve=curve, sample=sample)
