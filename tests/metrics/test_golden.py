"""Values of the released code of arXiv 2503.17110, on five regimes of logits (golden.npz)."""

from pathlib import Path

import numpy as np
import pytest
import torch

from quba_check.dimensions.accuracy import label_ranks
from quba_check.metrics.calibration import adaptive_calibration_error, expected_calibration_error
from quba_check.metrics.class_balance import accuracy_evenness, confidence_evenness

REGIMES = ("calibrated", "overconfident", "underconfident", "ties", "saturated")


@pytest.fixture(params=REGIMES)
def golden(request):
    with np.load(Path(__file__).with_name("golden.npz")) as file:
        prefix = request.param + "."
        columns = {key.removeprefix(prefix): file[key] for key in file.files if key.startswith(prefix)}
    columns["probabilities"] = torch.softmax(torch.from_numpy(columns["logits"]), dim=1).numpy()
    columns["regime"] = request.param
    columns["label"] = columns["label"].astype(np.int64)
    columns["right"] = columns["probabilities"].argmax(axis=1) == columns["label"]
    return columns


def test_accuracy_equals_the_released_value(golden):
    assert golden["right"].mean() == pytest.approx(golden["accuracy"], abs=1e-12)
    assert np.array_equal(label_ranks(golden["probabilities"], golden["label"]) < 1, golden["right"])


def test_ece_equals_the_released_value(golden):
    ece = expected_calibration_error(golden["probabilities"].max(axis=1), golden["right"], bins=15).value
    assert ece == pytest.approx(float(golden["ece"]), abs=1e-6)


def test_ace_equals_the_released_value(golden):
    ace = adaptive_calibration_error(golden["probabilities"], golden["label"], bins=15).value
    # Bins of tied probabilities follow the last bits of the softmax, which processors compute differently.
    assert ace == pytest.approx(float(golden["ace"]), abs=5e-5 if golden["regime"] == "ties" else 1e-9)


def test_class_balance_equals_the_released_values(golden):
    label, probabilities = golden["label"], golden["probabilities"]
    true_probability = probabilities[np.arange(len(label)), label]
    options = {"classes": probabilities.shape[1], "sample": 0}
    accuracy = accuracy_evenness(label, golden["right"], **options).estimate.value
    confidence = confidence_evenness(label, true_probability, **options).estimate.value
    assert accuracy == pytest.approx(float(golden["class_accuracy"]), abs=1e-6)
    assert confidence == pytest.approx(float(golden["class_confidence"]), abs=1e-6)
