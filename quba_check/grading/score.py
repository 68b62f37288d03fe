"""The QUBA score as arithmetic: a weighted mean of normalised values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from quba_check.core.dimension import PUBLISHED_DIMENSIONS, WEIGHTS, is_weight
from quba_check.dimensions import registry
from quba_check.errors import PopulationError, UserError, did_you_mean, listed

LEAST_SPREAD = 1e-9
"""Values closer than this count as equal: they differ by rounding only."""
LEAST_MODELS = 10
"""Models that a population needs to have in each dimension that it grades."""


@dataclass(frozen=True, slots=True)
class Normalisation:
    """What a dimension is compared with: a value counts as `(value - mu) / sigma`.

    Attributes:
        mu: trimmed mean, in the dimension's unit.
        sigma: trimmed population standard deviation (ddof 0), in the dimension's unit; positive.
    """

    mu: float
    sigma: float


def has_spread(values: Sequence[float]) -> bool:
    """Return False if all values are equal, without the lowest and highest tenth."""
    cut = len(values) // 10
    kept = sorted(values)[cut : len(values) - cut]
    return kept[-1] - kept[0] > LEAST_SPREAD


def normalisation(values: Sequence[float]) -> Normalisation:
    """Mean and population standard deviation without the lowest and the highest tenth.

    Of m values, the floor(m / 10) lowest and as many highest are left out.

    Args:
        values: (m,) finite values of one dimension, one a model, in any order; m >= 10.

    Returns:
        Mean and standard deviation (ddof 0) of what is left, in the unit of the values.

    Raises:
        PopulationError: fewer than ten values, a value that is not finite, or no spread.

    Source: arXiv 2503.17110, section 3, as its released constants were computed.

    >>> normalisation([0, 1, 1, 1, 1, 3, 3, 3, 3, 100])
    Normalisation(mu=2.0, sigma=1.0)
    """
    m = len(values)
    if m < LEAST_MODELS:
        raise PopulationError(f"too few models to compare with, got {m}. Allowed: {LEAST_MODELS} or more.")
    if not all(math.isfinite(value) for value in values):
        raise PopulationError("a value is not a finite number")
    cut = m // 10
    kept = np.sort(np.asarray(values, dtype=np.float64))[cut : m - cut]
    if not has_spread(values):
        raise PopulationError(f"no spread to compare with: {len(kept)} of {m} models have {kept[0]:g}")
    return Normalisation(float(kept.mean()), float(kept.std()))


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
