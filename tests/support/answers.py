"""Predictions and facts in few words, and what a dimension measures of them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike

from quba_check.core.dimension import Dimension
from quba_check.core.facts import Facts, ModelFacts, SuiteFacts
from quba_check.core.measurement import Measurement, Quantity
from quba_check.core.predictions import Predictions, SliceColumn, Tables
from quba_check.core.protocols import STANDARD, Protocol
from quba_check.errors import UnmeasurableError

MODEL = ModelFacts(10, 10)


def facts(
    classes: int = 2, *, model: ModelFacts = MODEL, protocol: Protocol = STANDARD, **suite: Any
) -> Facts:
    """Facts about the suite `tiny`, without shifts and corruptions unless they are given."""
    known: dict[str, Any] = {"shifts": (), "corruptions": (), "spaces": {}} | suite
    return Facts(SuiteFacts("tiny", classes, **known), model, protocol)


def answers(
    label: ArrayLike,
    predicted: ArrayLike | None = None,
    probabilities: ArrayLike | None = None,
    **columns: Any,
) -> Predictions:
    """Predictions of images, by default the most probable classes; without probabilities all are 0.5."""
    label = np.asarray(label, np.int64)
    rows = np.arange(len(label))
    p = None
    if probabilities is not None:
        p = np.asarray(probabilities, np.float32)
        predicted = p.argmax(axis=1) if predicted is None else predicted
    answer = np.asarray(predicted, np.int64)
    own, true = (np.full(len(rows), 0.5, np.float32) if p is None else p[rows, k] for k in (answer, label))
    return replace(Predictions(rows, label, answer, own, true, p), **columns)


def column(kind: str, values: ArrayLike) -> dict[str, SliceColumn]:
    """The slices of images by one column, such as `light=day`."""
    names, numbers = np.unique([f"{kind}={one}" for one in np.asarray(values)], return_inverse=True)
    return {kind: SliceColumn(tuple(names.tolist()), numbers)}


def right_on(right: ArrayLike, **columns: Any) -> Predictions:
    """Images of class 0; those where `right` is False are called class 1."""
    wrong = ~np.asarray(right, np.bool_)
    return answers(np.zeros(len(wrong)), wrong, **columns)


def first(right: int, of: int) -> list[bool]:
    """The first `right` of `of` images are right."""
    return [k < right for k in range(of)]


def values(measurement: Measurement) -> dict[str, float]:
    """Values of the parts by name."""
    return {name: part.value for name, part in measurement.parts.items()}


def bare(parts: Mapping[str, Quantity]) -> dict[str, Quantity]:
    """Parts without confidence curves, for tests of values alone."""
    unsure = {"curve": None, "debiased": None, "debiased_limit": None}
    return {name: replace(part, **unsure) for name, part in parts.items()}


def reasons(measurement: Measurement) -> dict[str, str]:
    """Reasons of requested parts without a value, by name."""
    return {name: one.reason for name, one in measurement.unmeasured.items()}


def reason(dimension: Dimension, tables: Tables, known: Facts) -> tuple[str, bool]:
    """The reason why a dimension has no value, and True if it lacks data."""
    with pytest.raises(UnmeasurableError) as caught:
        dimension.measure(tables, known)
    return caught.value.reason, caught.value.missing_data
