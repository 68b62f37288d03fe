"""calibration_error and class_balance equal what the released code of arXiv 2503.17110 gives."""

from pathlib import Path

import numpy as np
import pytest
import torch

from quba_check.core.facts import Facts, ModelFacts, SuiteFacts
from quba_check.core.predictions import Predictions
from quba_check.core.view import CLEAN
from quba_check.dimensions import registry

GOLDEN = Path(__file__).parents[1] / "metrics" / "golden.npz"


@pytest.mark.parametrize("regime", ["calibrated", "overconfident", "underconfident", "ties", "saturated"])
@pytest.mark.parametrize("name", ["accuracy", "calibration_error", "class_balance"])
def test_values_equal_the_released_ones(regime, name):
    with np.load(GOLDEN) as file:
        logits, label = file[f"{regime}.logits"], file[f"{regime}.label"].astype(np.int64)
        expected = float(file[f"{regime}.{name}"])
    probabilities = torch.softmax(torch.from_numpy(logits), dim=1).numpy()
    rows = np.arange(len(label))
    clean = Predictions(
        rows,
        label,
        probabilities.argmax(axis=1),
        probabilities.max(axis=1),
        probabilities[rows, label],
        probabilities=probabilities,
    )
    suite = SuiteFacts("golden", probabilities.shape[1], shifts=(), corruptions=(), spaces={})
    measured = registry[name].measure({CLEAN: clean}, Facts(suite, ModelFacts(1, 1)))
    # Bins of tied probabilities follow the last bits of the softmax, which processors compute differently.
    assert measured.value == pytest.approx(expected, abs=5e-5 if regime == "ties" else 1e-6)
