"""Values of the released code of arXiv 2503.17110, on five regimes of logits (golden.npz)."""

from pathlib import Path

import numpy as np
import pytest
import torch
from support.answers import answers, facts

from quba_check.core.view import CLEAN
from quba_check.dimensions import registry
from quba_check.dimensions.accuracy import label_ranks


@pytest.mark.parametrize("regime", ["calibrated", "overconfident", "underconfident", "ties", "saturated"])
def test_values_equal_the_released_ones(regime):
    with np.load(Path(__file__).with_name("golden.npz")) as file:
        prefix = f"{regime}."
        golden = {key.removeprefix(prefix): file[key] for key in file.files if key.startswith(prefix)}
    probabilities = torch.softmax(torch.from_numpy(golden["logits"]), dim=1).numpy()
    clean = answers(golden["label"], None, probabilities)
    tables = {CLEAN: clean}
    known = facts(probabilities.shape[1])
    names = ("accuracy", "calibration_error", "class_balance")
    accuracy, calibration, balance = (registry[name].measure(tables, known) for name in names)
    assert accuracy.value == pytest.approx(float(golden["accuracy"]), abs=1e-12)
    assert np.array_equal(label_ranks(probabilities, clean.label) < 1, clean.correct)
    assert calibration.parts["ece"].value == pytest.approx(float(golden["ece"]), abs=1e-6)
    # Bins of tied probabilities follow the last bits of the softmax, which processors compute differently.
    is_tied = regime == "ties"
    ace = pytest.approx(float(golden["ace"]), abs=5e-5 if is_tied else 1e-9)
    assert calibration.parts["ace"].value == ace
    error = pytest.approx(float(golden["calibration_error"]), abs=5e-5 if is_tied else 1e-6)
    assert calibration.value == error
    assert balance.value == pytest.approx(float(golden["class_balance"]), abs=1e-6)
    assert balance.parts["accuracy"].value == pytest.approx(float(golden["class_accuracy"]), abs=1e-6)
    assert balance.parts["confidence"].value == pytest.approx(float(golden["class_confidence"]), abs=1e-6)
