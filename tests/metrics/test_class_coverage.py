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
    """No number is covered in fewer draws than 1 in 10,000 runs has at 95 %."""
    rng, covered, draws = np.random.default_rng(3), Counter(), 60
    for _ in range(draws):
        for sample in bench.samples(n, rate, rng):
            covered.update(sample.covered())
    assert len(covered) == 23
    assert min(covered.values()) >= binom.ppf(1e-4, draws, 0.95)


@pytest.mark.parametrize(("sizes", "rate"), [([5] * 10, 0.99), ([200, 5, 5, 5], 0.9)])
def test_the_mean_recall_of_small_classes(bench, sizes, rate):
    """A small class without a failure may hide many, and each weighs as much as a large class."""
    rng, draws, held = np.random.default_rng(4), 150, 0
    label = np.repeat(range(len(sizes)), sizes)
    for _ in range(draws):
        predicted = np.where(rng.random(len(label)) < rate, label, (label + 1) % len(sizes))
        names = tuple("abcdefghij"[: len(sizes)])
        low, high = bench.measured(label, predicted, bench.OF_ALL[:1], names).parts["macro.recall"].interval
        held += low <= rate <= high
    assert held >= binom.ppf(1e-3, draws, 0.95)
