"""A small version of benchmarks/ratio_coverage.py: cells with few discordant images."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
DRAWS = 60


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("ratio_coverage")


@pytest.mark.parametrize(
    ("accuracy", "rate", "flips", "images"),
    [
        pytest.param(0.9, 0.0005, "lost", 1000, marks=pytest.mark.slow),
        pytest.param(0.9, 0.002, "both", 1000, marks=pytest.mark.slow),
        (0.6, 0.005, "lost", 200),
        (0.99, 0.02, "both", 200),
    ],
)
def test_intervals_of_few_flips_cover(bench, accuracy, rate, flips, images):
    """With 95 % coverage, fewer intervals cover with a probability of 0.2 %."""
    cell = bench.Cell(accuracy, rate, flips, images)
    for name, found in bench.coverage(cell, DRAWS, np.random.default_rng(3)).items():
        assert found.covered >= binom.ppf(0.002, DRAWS, 0.95), name
        assert not found.falls_short(1)
