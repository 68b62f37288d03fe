"""The QUBA score as arithmetic: a weighted mean of normalised values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from quba_check.core.dimension import PUBLISHED_DIMENSIONS, WEIGHTS, is_weight
from quba_check.dimensions import registry
from quba_check.errors import UserError, did_you_mean, listed
from quba_check.grading.normalisation import Normalisation


def full_weights(weights: Mapping[str, float] | None = None) -> dict[str, float]:
    """The weight of each of the nine dimensions.

    Args:
        weights: weights (`is_weight`) by dimension name that replace the defaults; only their ratios matter.

    Returns:
        Nine weights: those given, else the defaults that the dimensions declare.

    Raises:
        UserError: a name is no dimension, a weight is out of range, or all are 0.

    >>> full_weights({"accuracy": 2})["accuracy"], full_weights()["shape_bias"]
    (2.0, 0.5)
    """
    given = dict(weights or {})
    check_names("weights", given)
    for name, weight in given.items():
        if not is_weight(weight):
            raise UserError(f"weights: {name} is not a valid weight, got {weight!r}. Allowed: {WEIGHTS}.")
    full = {name: float(given.get(name, registry[name].weight)) for name in PUBLISHED_DIMENSIONS}
    if not any(full.values()):
        raise UserError("weights: all nine are 0. Allowed: at least one above 0.")
    return full


def check_names(where: str, names: Iterable[str]) -> None:
    """Refuse names that are no dimension.

    Raises:
        UserError: naming the first that is unknown.
    """
    for name in names:
        if name not in registry:
            raise UserError(
                f"{where}: unknown dimension '{name}'. Allowed: {listed(registry.names)}."
                f"{did_you_mean(name, registry.names)}"
            )


def weighted_score(
    values: Mapping[str, float],
    normalisations: Mapping[str, Normalisation],
    weights: Mapping[str, float],
) -> float:
    """Weighted mean of the normalised values, signed so that higher is better.

    Args:
        values: value by dimension name, in the dimension's unit; at least those that weigh something.
        normalisations: by dimension name, likewise.
        weights: weight >= 0 by dimension name, one of them above 0; those with 0 are not looked at.

    Returns:
        sum(w s (x - mu) / sigma) / sum(w), without a unit; s is -1 where lower is better.

    Source: arXiv 2503.17110, section 3 (QUBA score).

    >>> weighted_score({"accuracy": 0.9, "parameters": 30.0},
    ...                {"accuracy": Normalisation(0.8, 0.1), "parameters": Normalisation(50, 10)},
    ...                {"accuracy": 1.0, "parameters": 1.0})
    1.5
    """
    weighing = [name for name, weight in weights.items() if weight > 0]
    terms = (weights[name] * _standing(name, values[name], normalisations[name]) for name in weighing)
    return math.fsum(terms) / math.fsum(weights[name] for name in weighing)


def score_slopes(
    normalisations: Mapping[str, Normalisation], weights: Mapping[str, float]
) -> dict[str, float]:
    """How much `weighted_score` moves with each value, per unit of the value; by dimension that weighs."""
    whole = math.fsum(weight for weight in weights.values() if weight > 0)
    return {
        name: _sign(name) * weight / (normalisations[name].sigma * whole)
        for name, weight in weights.items()
        if weight > 0
    }


def _standing(name: str, value: float, among: Normalisation) -> float:
    return _sign(name) * (value - among.mu) / among.sigma


def _sign(name: str) -> int:
    return 1 if registry[name].better == "high" else -1
