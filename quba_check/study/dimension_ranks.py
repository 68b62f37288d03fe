"""Ranks of one model in each dimension of a population."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from quba_check.dimensions import registry
from quba_check.grading.population import Population
from quba_check.number_format import format_value


@dataclass(frozen=True, slots=True)
class DimensionRank:
    """A value among those of a population.

    Attributes:
        dimension: name of the dimension.
        value: the value, in the dimension's unit.
        mu: the population's trimmed mean.
        distance: distance from `mu` in standard deviations; positive is better.
        rank: one more than the number of models with a better value.
        models: number of models with a value.
    """

    dimension: str
    value: float
    mu: float
    distance: float
    rank: int
    models: int


def dimension_ranks(values: Mapping[str, float], population: Population) -> list[DimensionRank]:
    """Return the ranks of a model's values in the comparable dimensions of a population.

    >>> from quba_check.grading import population
    >>> (rank,) = dimension_ranks({"parameters": 1.0}, population("published"))
    >>> rank.rank, rank.models
    (1, 326)
    """
    ranks = []
    for name, mu in population.mu.items():
        if name not in values:
            continue
        sign = 1 if registry[name].better == "high" else -1
        of_models = [row.values[name] for row in population.rows if name in row.values]
        ranks.append(
            DimensionRank(
                name,
                values[name],
                mu,
                sign * (values[name] - mu) / population.sigma[name],
                1 + sum(sign * value > sign * values[name] for value in of_models),
                len(of_models),
            )
        )
    return ranks


def value_text(dimension: str, value: float) -> str:
    """Return the value of a dimension as text.

    Parameters of a million or more have one decimal.

    >>> value_text("parameters", 87.1), value_text("calibration_error", 0.0039)
    ('87.1 M', '0.0039')
    """
    unit = registry[dimension].unit
    return format_value(value, unit, digits=1 if unit == "millions" and value >= 1 else None)
