"""A small version of benchmarks/interval_coverage.py: intervals have their nominal coverage."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("interval_coverage")


@pytest.mark.parametrize(
    ("n", "weak", "runs"), [(200, 0.02, 10), pytest.param(600, 0.3, 40, marks=pytest.mark.slow)]
)
def test_intervals_cover(bench, n, weak, runs):
    """Intervals of three models hold in 95 % of the draws, less four binomial standard errors."""
    rng = np.random.default_rng(1)
    models = [bench.typical(rng, classes=6, weak=weak) for _ in range(3)]
    for name, held in bench.coverage(models, n, runs, rng).items():
        assert np.mean(held) >= 0.95 - 4 * (0.95 * 0.05 / len(held)) ** 0.5, name


@pytest.mark.slow
def test_debiased_values_are_near_the_truth(bench, monkeypatch):
    """12 draws of two models: four standard errors of the mean are about 0.009."""
    monkeypatch.setattr(bench, "MANY_IMAGES", 20_000)
    rng = np.random.default_rng(2)
    found = bench.biases(bench.models_with_error(2, 10, rng), 1000, 12, rng)
    for name in ("calibration_error.ece", "class_balance"):
        assert abs(np.mean(found[name])) < 0.009, name
    assert np.mean(found["calibration_error.ece upper limit holds"]) >= 0.9
