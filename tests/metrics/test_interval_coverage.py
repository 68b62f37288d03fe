"""A small version of benchmarks/interval_coverage.py: intervals hold the truth about as often as they say."""

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


@pytest.mark.parametrize(("n", "weak"), [(600, 0.3), (200, 0.02)])
def test_intervals_cover(bench, n, weak):
    """120 intervals of each quantity: 95 % of them less four binomial standard errors is 87 %."""
    rng = np.random.default_rng(1)
    models = [bench.typical(rng, classes=6, weak=weak) for _ in range(3)]
    for name, held in bench.coverage(models, n, 40, rng).items():
        assert np.mean(held) >= 0.87, name


def test_debiased_values_are_near_the_truth(bench):
    rng = np.random.default_rng(2)
    models = [bench.typical(rng, classes=10) for _ in range(2)]
    found = bench.biases(models, 1000, 25, rng)
    for name in ("calibration_error.ece", "class_balance"):
        assert max(map(abs, found[name])) < 0.012, name
    assert np.mean(found["calibration_error.ece upper limit holds"]) >= 0.8
