"""What few images do to class balance, on classes whose true spread is known."""

import numpy as np
import pytest

from quba_check.metrics.balance import class_balance
from quba_check.metrics.class_balance import _unbiased, accuracy_evenness, confidence_evenness

RNG = np.random.default_rng(0)
CLASSES = 100
TRUE = RNG.normal(0.75, 0.08, CLASSES).clip(0.3, 0.98)
"""True accuracies of the classes; standard deviation about 0.08."""


def drawn(per_class):
    label = np.repeat(np.arange(CLASSES), per_class)
    return label, RNG.random(len(label)) < TRUE[label], RNG.beta(2, 1, len(label)).astype(np.float32)


@pytest.mark.parametrize("per_class", [10, 50])
def test_few_images_hardly_bias_what_is_debiased(per_class):
    runs = [drawn(per_class) for _ in range(300)]
    accuracy = [accuracy_evenness(label, right, classes=CLASSES, sample=0) for label, right, _ in runs]
    confidence = [confidence_evenness(label, p, classes=CLASSES, sample=0) for label, _, p in runs]
    assert np.mean([found.debiased for found in accuracy]) == pytest.approx(1 - TRUE.std(ddof=1), abs=0.004)
    assert np.mean([found.debiased for found in confidence]) == pytest.approx(1 - (1 / 18) ** 0.5, abs=0.003)


def test_errors_are_those_of_redrawn_images():
    runs = [drawn(20) for _ in range(800)]
    for found in (
        [accuracy_evenness(label, right, classes=CLASSES, sample=0).estimate for label, right, _ in runs],
        [confidence_evenness(label, p, classes=CLASSES, sample=0).estimate for label, _, p in runs],
    ):
        spread = np.std([estimate.value for estimate in found])
        assert np.mean([estimate.standard_error for estimate in found]) == pytest.approx(spread, rel=0.12)


def test_values_are_the_definitions():
    label, right, p = drawn(7)
    balance = class_balance(label, right, p, classes=CLASSES)
    accuracy = accuracy_evenness(label, right, classes=CLASSES, sample=0)
    confidence = confidence_evenness(label, p, classes=CLASSES, sample=0)
    assert accuracy.estimate.value == pytest.approx(balance.accuracy)
    assert confidence.estimate.value == pytest.approx(balance.confidence)


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
    found = {"accuracy": [], "confidence": []}
    for _ in range(200):
        right = rng.random(len(label)) < true[label]
        p = np.where(right, rng.beta(5, 0.6, len(label)), rng.beta(0.6, 4, len(label))).astype(np.float32)
        found["accuracy"].append(accuracy_evenness(label, right, classes=classes, sample=0).estimate)
        found["confidence"].append(confidence_evenness(label, p, classes=classes, sample=0).estimate)
    for part, estimates in found.items():
        truth = np.mean([estimate.value for estimate in estimates])
        held = [abs(estimate.value - truth) <= 1.96 * estimate.standard_error for estimate in estimates]
        assert np.mean(held) >= 0.904, part


def test_the_error_without_bias():
    """200 classes at 0.9 and 0.4 of five images: the mean estimate is the variance over 3,000 draws."""
    rng = np.random.default_rng(0)
    true = np.repeat([0.9, 0.4], 100)
    counts = np.full(200, 5)
    drawn = rng.binomial(5, true, (3000, 200)) / 5
    variances = drawn.var(axis=1, ddof=1)
    estimates = [_unbiased(counts, accuracy) for accuracy in drawn]
    assert np.mean(estimates) == pytest.approx(variances.var(), rel=0.08)
