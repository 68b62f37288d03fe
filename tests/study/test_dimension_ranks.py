"""Ranks of one model's values, dimension by dimension."""

from __future__ import annotations

import pytest
from scipy import stats

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.dimensions import registry
from quba_check.grading import Population, PopulationRow, population, published_models
from quba_check.study.dimension_ranks import dimension_ranks


@pytest.mark.parametrize("name", PUBLISHED_DIMENSIONS)
def test_ranks_are_those_of_scipy(name: str) -> None:
    sign = -1 if registry[name].better == "high" else 1
    expected = stats.rankdata([sign * model.values[name] for model in published_models()], method="min")
    ranks = [
        next(
            row.rank
            for row in dimension_ranks(model.values, population("published"))
            if row.dimension == name
        )
        for model in published_models()
    ]
    assert ranks == expected.tolist()


def test_a_value_of_a_small_population() -> None:
    # Without the lowest and the highest of ten, 1 … 8 remain: mean 4.5, variance (8² - 1) / 12.
    rows = tuple(PopulationRow(f"m{k}", {"parameters": float(k)}) for k in range(10))
    (row,) = dimension_ranks({"parameters": 3.0, "accuracy": 0.5}, Population("p", "standard", "tiny", rows))
    assert (row.dimension, row.rank, row.models, row.mu) == ("parameters", 4, 10, 4.5)
    assert row.distance == pytest.approx(1.5 / (63 / 12) ** 0.5)
