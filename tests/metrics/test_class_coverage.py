"""A small version of benchmarks/class_coverage.py: intervals of classes have their nominal coverage."""

from __future__ import annotations

import importlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("class_coverage")


@pytest.mark.parametrize(("n", "rate"), [(50, 0.99), (50, 0.9), (200, 0.5)])
def test_intervals_cover(bench, n, rate):
    """No number has fewer covered draws than 1 in 10,000 runs has at a coverage of 95 %."""
    rng, covered, draws = np.random.default_rng(3), Counter(), 60
    for _ in range(draws):
        for sample in (bench.of_one_class(n, rate, rng), bench.of_all_classes(n, rate, rng)):
            covered.update(sample.covered())
    assert len(covered) == 16
    assert min(covered.values()) >= binom.ppf(1e-4, draws, 0.95)


def test_the_mean_recall_of_ten_classes_of_five_images(bench):
    """Most samples have no failure, and all other classes of the same size support the limit."""
    rng, draws = np.random.default_rng(4), 150
    label = np.arange(50) % 10
    held = 0
    for _ in range(draws):
        predicted = np.where(rng.random(50) < 0.99, label, (label + 1) % 10)
        part = bench.measured(label, predicted, bench.OF_ALL[:1], tuple("abcdefghij")).parts["macro.recall"]
        low, high = part.interval
        held += low <= 0.99 <= high
    assert held >= binom.ppf(1e-3, draws, 0.95)
