"""Mean and spread of a dimension over a population, without its extremes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quba_check.errors import PopulationError

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
