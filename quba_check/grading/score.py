"""Weights and normalisation of the QUBA score, a weighted mean of normalised values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from quba_check.core.dimension import PUBLISHED_DIMENSIONS, WEIGHTS, is_weight
from quba_check.dimensions import registry
from quba_check.errors import PopulationError, UserError
from quba_check.messages import allowed_names

LEAST_SPREAD = 1e-9
"""Largest difference of values that counts as rounding."""
LEAST_MODELS = 10
"""Smallest number of models in each graded dimension of a population."""


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Mean and spread of a dimension, for the normalisation `(value - mu) / sigma`.

    Attributes:
        mu: trimmed mean, in the dimension's unit.
        sigma: trimmed population standard deviation (ddof 0), in the dimension's unit; positive.
    """

    mu: float
    sigma: float


def has_spread(values: Sequence[float]) -> bool:
    """False if all values are equal, without the lowest and highest tenth."""
    cut = len(values) // 10
    trimmed = sorted(values)[cut : len(values) - cut]
    return trimmed[-1] - trimmed[0] > LEAST_SPREAD


def normalisation(values: Sequence[float]) -> Normalisation:
    """Return mean and standard deviation without the lowest and the highest tenth.

    Of m values, the floor(m / 10) lowest and the floor(m / 10) highest are left out.

    Args:
        values: (m,) finite values of one dimension, one a model, in any order; m >= 10.

    Returns:
        Mean and standard deviation (ddof 0) of the remaining values, in their unit.

    Raises:
        PopulationError: fewer than ten values, a value that is not finite, or no spread.

    Source: arXiv 2503.17110, section 3, as its released constants were computed.

    >>> normalisation([0, 1, 1, 1, 1, 3, 3, 3, 3, 100])
    Normalisation(mu=2.0, sigma=1.0)
    """
    m = len(values)
    if m < LEAST_MODELS:
        raise PopulationError("too few models to compare with", got=f"{m}", allowed=f"{LEAST_MODELS} or more")
    if not all(math.isfinite(value) for value in values):
        raise PopulationError("a value is not a finite number")
    cut = m // 10
    trimmed = np.sort(np.asarray(values, dtype=np.float64))[cut : m - cut]
    if not has_spread(values):
        raise PopulationError(f"no spread to compare with: {len(trimmed)} of {m} models have {trimmed[0]:g}")
    return Normalisation(float(trimmed.mean()), float(trimmed.std()))


def full_weights(weights: Mapping[str, float] | None = None) -> dict[str, float]:
    """Return the weight of each of the nine dimensions.

    Args:
        weights: weights (`is_weight`) by dimension name that replace the defaults; only their ratios matter.

    Returns:
        Nine weights: the given ones, else the defaults of the dimensions.

    Raises:
        UserError: an unknown dimension, an invalid weight, or all weights are 0.

    >>> full_weights({"accuracy": 2})["accuracy"], full_weights()["shape_bias"]
    (2.0, 0.5)
    """
    overrides = dict(weights or {})
    check_names("weights", overrides)
    for name, weight in overrides.items():
        if not is_weight(weight):
            raise UserError(f"weights: {name} is not a valid weight, got {weight!r}. Allowed: {WEIGHTS}.")
    full = {name: float(overrides.get(name, registry[name].weight)) for name in PUBLISHED_DIMENSIONS}
    if not any(full.values()):
        raise UserError("all nine are 0", where="weights", allowed="at least one above 0")
    return full


def check_names(where: str, names: Iterable[str]) -> None:
    """Refuse names of unknown dimensions.

    Raises:
        UserError: for the first unknown name.
    """
    for name in names:
        if name not in registry:
            hint = allowed_names(name, PUBLISHED_DIMENSIONS)
            raise UserError(f"unknown dimension '{name}'", where=where, hint=hint)
