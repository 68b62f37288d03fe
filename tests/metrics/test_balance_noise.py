"""What few images do to class balance, on classes whose true spread is known."""

import numpy as np
import pytest

from quba_check.metrics.balance import class_balance
from quba_check.metrics.balance_noise import accuracy_evenness, confidence_evenness

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
    runs = [drawn(20) for _ in range(200)]
    for found in (
        [accuracy_evenness(label, right, classes=CLASSES, sample=0).estimate for label, right, _ in runs],
        [confidence_evenness(label, p, classes=CLASSES, sample=0).estimate for label, _, p in runs],
    ):
        spread = np.std([estimate.value for estimate in found])
        assert np.mean([estimate.standard_error for estimate in found]) == pytest.approx(spread, rel=0.15)


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
