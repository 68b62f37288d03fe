"""Class balance: its definition, and the bias and error of few images."""

import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.metrics.class_balance import (
    _variance_of_variance,
    accuracy_evenness,
    between_class_evenness,
    confidence_evenness,
)

RNG = np.random.default_rng(0)
CLASSES = 100
TRUE = RNG.normal(0.75, 0.08, CLASSES).clip(0.3, 0.98)
"""True accuracies of the classes; standard deviation about 0.08."""


def draw(per_class):
    label = np.repeat(np.arange(CLASSES), per_class)
    return label, RNG.random(len(label)) < TRUE[label], RNG.beta(2, 1, len(label)).astype(np.float32)


def both(label, right, p, classes=CLASSES):
    """Evenness of accuracy and of confidence."""
    return (
        accuracy_evenness(label, right, classes=classes, sample=0),
        confidence_evenness(label, p, classes=classes, sample=0),
    )


@pytest.mark.parametrize("per_class", [10, 50])
def test_few_images_hardly_bias_what_is_debiased(per_class):
    accuracy, confidence = zip(*(both(*draw(per_class)) for _ in range(300)), strict=True)
    assert np.mean([found.debiased for found in accuracy]) == pytest.approx(1 - TRUE.std(ddof=1), abs=0.004)
    assert np.mean([found.debiased for found in confidence]) == pytest.approx(1 - (1 / 18) ** 0.5, abs=0.003)


examples = settings(deadline=None, derandomize=True, max_examples=60)
row = st.tuples(st.booleans(), st.floats(0, 1, width=32))
per_class = st.lists(st.lists(row, min_size=2, max_size=8), min_size=2, max_size=6)


def columns(classes):
    label = np.array([k for k, rows in enumerate(classes) for _ in rows])
    correct = np.array([correct for rows in classes for correct, _ in rows])
    probability = np.array([p for rows in classes for _, p in rows], dtype=np.float32)
    return label, correct, probability


def values(label, correct, probability, classes):
    """Evenness of accuracy, of confidence, and of confidence between classes."""
    parts = both(label, correct, probability, classes)
    between = between_class_evenness(label, probability, classes=classes)
    return (*(part.estimate.value for part in parts), between)


@given(per_class, st.randoms(use_true_random=False))
@examples
def test_equals_the_standard_library(classes, random):
    """In any order of the images."""
    means = [statistics.fmean(p for _, p in rows) for rows in classes]
    accuracies = [statistics.fmean(correct for correct, _ in rows) for rows in classes]
    spreads = [statistics.pstdev(p for _, p in rows) for rows in classes]
    expected = (1 - statistics.stdev(accuracies), 1 - statistics.fmean(spreads), 1 - statistics.stdev(means))
    order = random.sample(range(sum(map(len, classes))), sum(map(len, classes)))
    label, correct, probability = (column[order] for column in columns(classes))
    found = values(label, correct, probability, len(classes))
    assert found == pytest.approx(expected, abs=1e-9)
    assert all(0 <= part <= 1 for part in found)


def test_two_images_a_class_by_hand():
    """Standard deviation 0.1 of two, 0 of either alone: 2 · 0.1 − 0."""
    found = confidence_evenness(
        np.array([0, 0, 1, 1]), np.array([0.5, 0.7, 0.5, 0.7], np.float32), classes=2, sample=0
    )
    assert found.estimate.value == pytest.approx(0.9)
    assert found.debiased == pytest.approx(0.8)


@pytest.mark.parametrize(("classes", "per_class"), [(400, 2), (400, 3), (400, 5), (400, 10), (10, 30)])
def test_intervals_hold_with_skewed_classes_of_few_images(classes, per_class):
    """200 draws each: 95 % less three binomial standard errors is 90.4 %."""
    rng = np.random.default_rng(0)
    true = rng.beta(4, 1.5, classes)
    label = np.repeat(np.arange(classes), per_class)
    found = []
    for _ in range(200):
        right = rng.random(len(label)) < true[label]
        p = np.where(right, rng.beta(5, 0.6, len(label)), rng.beta(0.6, 4, len(label))).astype(np.float32)
        found.append(both(label, right, p, classes))
    for part in zip(*found, strict=True):
        estimates = [drawn.estimate for drawn in part]
        truth = np.mean([estimate.value for estimate in estimates])
        held = [abs(estimate.value - truth) <= 1.96 * estimate.standard_error for estimate in estimates]
        assert np.mean(held) >= 0.904
        spread = np.std([estimate.value for estimate in estimates])
        assert np.mean([estimate.standard_error for estimate in estimates]) < 2 * spread


def test_the_variance_estimate_is_unbiased():
    """200 classes at 0.9 and 0.4 of five images: the mean estimate is the variance over 3,000 draws."""
    rng = np.random.default_rng(0)
    true = np.repeat([0.9, 0.4], 100)
    counts = np.full(200, 5)
    drawn = rng.binomial(5, true, (3000, 200)) / 5
    variances = drawn.var(axis=1, ddof=1)
    estimates = [_variance_of_variance(counts, accuracy) for accuracy in drawn]
    assert np.mean(estimates) == pytest.approx(variances.var(), rel=0.08)


@pytest.mark.parametrize(
    "accuracies", [[0.97, 0.97, 0.97], [0.95, 0.95, 0.05], [0.99] * 10], ids=lambda rates: str(len(rates))
)
def test_intervals_hold_where_no_class_varies(accuracies):
    """400 draws of six images a class; in about half of them each class is all right or all wrong.

    Probabilities are 0 or 1, as of an overconfident model. Before, such draws had intervals of width 0.
    """
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(len(accuracies)), 6)
    rights = (rng.random(len(label)) < np.array(accuracies)[label] for _ in range(400))
    found = [both(label, right, right.astype(np.float32), len(accuracies)) for right in rights]
    for draws in zip(*found, strict=True):
        values = np.array([drawn.estimate.value for drawn in draws])
        hidden = np.array([drawn.hidden_error for drawn in draws])
        errors = np.hypot([drawn.estimate.standard_error for drawn in draws], hidden)
        assert 0.3 < np.mean(hidden > 0) < 0.7
        assert np.mean(np.abs(values - values.mean()) <= 1.96 * errors) >= 0.92


def test_hidden_errors_by_hand():
    """Two classes of one right and one wrong pair: likely accuracies 5/6 and 1/6, each ± √(5/36/2).

    Their variance 2/9 has the error √(2 · 4 · 2 · (1/3)² · 5/72 − 2 · 2 · (5/72)²), and its root that over
    twice the root. One more image of five with the probability 0 has the standard deviation √(1/5 · 4/5).
    """
    label = np.array([0, 0, 1, 1])
    right = np.array([True, True, False, False])
    variance = 2 * 4 * 2 * (1 / 3) ** 2 * 5 / 72 - 2 * 2 * (5 / 72) ** 2
    found, same = both(label, right, np.ones(4, np.float32), 2)
    assert found.hidden_error == pytest.approx(variance**0.5 / (2 * (2 / 9) ** 0.5))
    assert found.estimate.standard_error == 0
    assert same.hidden_error == pytest.approx(0.4)
