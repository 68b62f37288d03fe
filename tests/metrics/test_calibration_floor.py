"""Calibration errors of simulated models: against whole simulated tables, and their limits."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import softmax

from quba_check.metrics.calibration import adaptive_calibration_error, expected_calibration_error
from quba_check.metrics.calibration_floor import simulated_calibration_error


def whole_tables(n, classes, confidence, temperature, sets):
    """The mean ECE and ACE of whole tables, by the metrics themselves."""
    rng = np.random.default_rng(7)
    pilot = rng.standard_normal((4000, classes))
    scale = brentq(lambda s: softmax(s * pilot, axis=1).max(axis=1).mean() - confidence, 1e-3, 200)
    ece = ace = 0.0
    for _ in range(sets):
        logits = scale * rng.standard_normal((n, classes))
        true = softmax(logits, axis=1)
        stated = softmax(temperature * logits, axis=1).astype(np.float32)
        label = (rng.random((n, 1)) > true.cumsum(axis=1)).sum(axis=1).clip(max=classes - 1)
        correct = stated.argmax(axis=1) == label
        ece += expected_calibration_error(stated.max(axis=1), correct, bins=15).value
        ace += adaptive_calibration_error(stated, label, bins=15).value
    return np.sqrt(ece * ace) / sets


@pytest.mark.parametrize("temperature", [1, 2])
@pytest.mark.parametrize(
    ("n", "classes", "confidence"), [(100, 2, 0.8), (400, 10, 0.8), (1000, 40, 0.6), (400, 10, 0.97)]
)
def test_equals_the_error_of_whole_tables(n, classes, confidence, temperature):
    simulated = simulated_calibration_error(n, classes, confidence, bins=15, temperature=temperature)
    expected = whole_tables(n, classes, confidence, temperature, sets=12)
    assert simulated == pytest.approx(expected, rel=0.12)


def test_falls_with_the_root_of_the_number_of_images():
    few, many = (simulated_calibration_error(n, 10, 0.8, bins=15) for n in (500, 8000))
    assert few / many == pytest.approx(4, rel=0.15)


@pytest.mark.parametrize(("n", "classes"), [(1, 2), (3, 5000), (20, 1)])
def test_is_a_number_for_few_images_and_one_class(n, classes):
    for confidence in (0.001, 0.5, 0.99999):
        value = simulated_calibration_error(n, classes, confidence, bins=15)
        assert 0 <= value <= 1


def test_is_the_same_in_every_run():
    first, second = (simulated_calibration_error(300, 7, 0.7, bins=15) for _ in range(2))
    assert first == second
