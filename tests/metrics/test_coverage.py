"""Small versions of benchmarks: intervals have their nominal coverage."""

import importlib
from collections import Counter
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.stats import binom

DRAWS = 60


@pytest.fixture
def bench(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmark `NAME_coverage`."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    return importlib.import_module(f"{request.param}_coverage")


of = pytest.mark.parametrize
intervals, classes, ratios = (of("bench", [name], indirect=True) for name in ("interval", "class", "ratio"))


@intervals
@of(("n", "weak", "runs"), [(200, 0.02, 10), (600, 0.3, 40)])
def test_intervals_cover(bench, n, weak, runs):
    """Intervals of three models hold in 95 % of the draws, less four binomial standard errors."""
    rng = np.random.default_rng(1)
    models = [bench.typical(rng, classes=6, weak=weak) for _ in range(3)]
    for name, held in bench.coverage(models, n, runs, rng).items():
        assert np.mean(held) >= 0.95 - 4 * (0.95 * 0.05 / len(held)) ** 0.5, name


@intervals
def test_debiased_values_are_near_the_truth(bench, monkeypatch):
    """12 draws of two models: four standard errors of the mean are about 0.009."""
    monkeypatch.setattr(bench, "MANY_IMAGES", 20_000)
    rng = np.random.default_rng(2)
    found = bench.biases(bench.models_with_error(2, 10, rng), 1000, 12, rng)
    for name in ("calibration_error.ece", "class_balance"):
        assert abs(np.mean(found[name])) < 0.009, name
    assert np.mean(found["calibration_error.ece upper limit holds"]) >= 0.9


@classes
@of(("n", "rate"), [(50, 0.99), (50, 0.9), (200, 0.5)])
def test_intervals_of_classes_cover(bench, n, rate):
    """No number is covered in fewer draws than 1 in 10,000 runs has at 95 %."""
    rng = np.random.default_rng(3)
    covered = Counter()
    for _ in range(DRAWS):
        covered.update(bench.covered(bench.samples(n, rate, rng)))
    assert len(covered) == 23
    assert min(covered.values()) >= binom.ppf(1e-4, DRAWS, 0.95)


@classes
@of(("sizes", "rate"), [([5] * 10, 0.99), ([200, 5, 5, 5], 0.9)])
def test_the_mean_recall_of_small_classes(bench, sizes, rate):
    """A small class without a failure may hide many, and each weighs as much as a large class."""
    rng = np.random.default_rng(4)
    draws = 150
    held = 0
    label = np.repeat(range(len(sizes)), sizes)
    for _ in range(draws):
        predicted = np.where(rng.random(len(label)) < rate, label, (label + 1) % len(sizes))
        names = tuple("abcdefghij"[: len(sizes)])
        low, high = bench.measured(label, predicted, bench.OF_ALL[:1], names).parts["macro.recall"].interval
        held += low <= rate <= high
    assert held >= binom.ppf(1e-3, draws, 0.95)


@ratios
@of(
    ("accuracy", "rate", "flips", "images"),
    [
        (0.9, 0.0005, "lost", 1000),
        (0.9, 0.002, "both", 1000),
        (0.6, 0.005, "lost", 200),
        (0.99, 0.02, "both", 200),
    ],
)
def test_intervals_of_few_flips_cover(bench, accuracy, rate, flips, images):
    """With 95 % coverage, fewer intervals cover with a probability of 0.2 %."""
    cell = bench.Cell(accuracy, rate, flips, images)
    for name, found in bench.coverage(cell, DRAWS, np.random.default_rng(3)).items():
        assert found.covered >= binom.ppf(0.002, DRAWS, 0.95), name
        assert not bench.significant({name: found.covered}, DRAWS, bench.LEAST)
