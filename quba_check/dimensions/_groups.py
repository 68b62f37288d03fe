"""Measurements of sets whose images come in groups: a group is one observation."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import TypeVar

import numpy as np

from quba_check.core.confidence import SCORES
from quba_check.core.dimension import Dimension
from quba_check.core.facts import Facts
from quba_check.core.measurement import GroupsOfSets, Measurement, Quantity
from quba_check.core.streaming import Tables
from quba_check.stats.clusters import LEAST_GROUPS, GroupEffect, group_effect

AnyQuantity = TypeVar("AnyQuantity", Quantity, Measurement)


def measure_dimension(dimension: Dimension, predictions: Tables, facts: Facts) -> Measurement:
    """Return the measurement of a dimension; the groups of its tables only widen intervals.

    Raises:
        UnmeasurableError: the dimension has no value here.
    """
    measurement = dimension.measure(predictions, facts)
    groups: GroupsOfSets = {
        view: table.group for view, table in predictions.items() if table.group is not None
    }
    if not groups:
        return measurement
    parts = {name: with_groups(part, predictions, groups) for name, part in measurement.parts.items()}
    return replace(with_groups(measurement, predictions, groups), parts=parts, groups_of_sets=groups)


def with_groups(quantity: AnyQuantity, predictions: Tables, groups: GroupsOfSets) -> AnyQuantity:
    """Return a quantity with limits that count each group as one observation."""
    effect = None if quantity.groups is not None else _effect(quantity, predictions, groups)
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


def _effect(
    quantity: Quantity | Measurement, predictions: Tables, groups: GroupsOfSets
) -> GroupEffect | None:
    """Return the effect of groups on a quantity; None if it has none.

    Groups of a sample under another name, or of some of its images, are unknown: as if all images of a group
    were equal, the sizes of the groups then decide.
    """
    rows: dict[Hashable, int] = {view: len(table) for view, table in predictions.items()}
    if quantity.influences and all(rows.get(name) == len(one) for name, one in quantity.influences.items()):
        return group_effect(quantity.influences, groups)
    if quantity.curve is None:
        return None
    return group_effect({name: np.zeros(len(group)) for name, group in groups.items()}, groups)
