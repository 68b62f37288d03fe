"""Measurements of sets with copies: an image and its copies are one observation."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from quba_check.core.dimension import Dimension
from quba_check.core.facts import Facts
from quba_check.core.measurement import Measurement, Quantity
from quba_check.core.streaming import Tables
from quba_check.stats.clusters import cluster_sums, size_effect

Groups = Mapping[Hashable, NDArray[np.intp] | None]
AnyQuantity = TypeVar("AnyQuantity", Quantity, Measurement)


def measure_dimension(dimension: Dimension, predictions: Tables, facts: Facts) -> Measurement:
    """Return the measurement of a dimension; the groups of its tables only widen intervals.

    Raises:
        UnmeasurableError: the dimension has no value here.
    """
    measurement = dimension.measure(predictions, facts)
    groups: dict[Hashable, NDArray[np.intp] | None] = {
        view: table.group for view, table in predictions.items()
    }
    if all(group is None for group in groups.values()):
        return measurement
    parts = {name: _with_groups(part, groups) for name, part in measurement.parts.items()}
    return replace(_with_groups(measurement, groups), parts=parts)


def _with_groups(quantity: AnyQuantity, groups: Groups) -> AnyQuantity:
    """Return a quantity whose error counts groups.

    The confidence limits are those of a sample that is smaller by the design effect: the variance with groups
    over the variance without. Groups of a sample under another name, or of some of its images, are unknown;
    the effect of the sizes in the set with the largest groups then holds.
    """
    influences, variances, effects = {}, [], []
    largest = max(size_effect(group) for group in groups.values() if group is not None)
    for sample, plain in quantity.influences.items():
        group = groups.get(sample)
        if sample in groups and (group is None or len(group) == len(plain)):
            summed = plain if group is None else cluster_sums(plain, group)
            variance, effect = float(plain @ plain), 1.0 if group is None else size_effect(group)
            if variance:
                effect = max(effect, float(summed @ summed) / variance)
        else:
            summed, effect = plain * math.sqrt(largest), largest
            variance = float(plain @ plain)
        influences[sample] = summed
        variances.append(variance / len(plain) ** 2)
        effects.append(effect)
    total = sum(variances)
    effect = float(np.dot(variances, effects)) / total if total else max(effects, default=largest)
    if effect <= 1:
        return quantity
    curve = quantity.curve
    if curve is not None:
        is_share = quantity.unit in ("fraction", "ratio")
        curve = curve.widen(quantity.value, math.sqrt(effect), (0.0, 1.0) if is_share else None)
    return replace(quantity, curve=curve, influences=influences, debiased_limit=None)
