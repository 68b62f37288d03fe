import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bare import bare

from quba_check.core.facts import Facts, ModelFacts, SuiteFacts
from quba_check.core.measurement import Quantity
from quba_check.core.predictions import Predictions
from quba_check.core.view import CLEAN
from quba_check.dimensions import registry
from quba_check.errors import InvariantError
from quba_check.metrics.calibration import adaptive_calibration_error, expected_calibration_error

CALIBRATION = registry["calibration_error"]
FACTS = Facts(SuiteFacts("tiny", 2, shifts=(), corruptions=(), spaces={}), ModelFacts(10, 10))


def clean(probabilities, label):
    probabilities, label = np.array(probabilities, np.float32), np.array(label, np.int64)
    return Predictions(
        np.arange(len(label)),
        label,
        probabilities.argmax(axis=1),
        probabilities.max(axis=1),
        np.take_along_axis(probabilities, label[:, None], axis=1)[:, 0],
        probabilities=probabilities,
    )


def test_value_and_parts_by_hand():
    """One image, 0.75 sure and wrong: ECE 0.75; ACE (0.75 + |1 − 0.25|) / 2."""
    measured = CALIBRATION.measure({CLEAN: clean([[0.75, 0.25]], [1])}, FACTS)
    assert measured.value == pytest.approx(0.75)
    assert (measured.unit, measured.n) == ("fraction", 1)
    assert bare(measured.parts) == {
        "ece": Quantity(0.75, "fraction", 1),
        "ace": Quantity(0.75, "fraction", 1),
    }
    assert [part.debiased_limit for part in measured.parts.values()] == [None, None]


def test_perfect_certainty_has_no_error():
    assert CALIBRATION.measure({CLEAN: clean([[1, 0], [0, 1]], [0, 1])}, FACTS).value == 0.0


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, derandomize=True, max_examples=20)
def test_is_the_geometric_mean_of_both_errors(seed):
    rng = np.random.default_rng(seed)
    table = clean(rng.dirichlet(np.ones(4), size=30), rng.integers(0, 4, 30))
    measured = CALIBRATION.measure({CLEAN: table}, FACTS)
    ece = expected_calibration_error(table.confidence, table.correct, bins=15).value
    ace = adaptive_calibration_error(table.probabilities, table.label, bins=15).value
    assert measured.value == pytest.approx((ece * ace) ** 0.5)
    assert (measured.parts["ece"].value, measured.parts["ace"].value) == (ece, ace)


def test_predictions_without_probabilities_are_refused():
    half = np.full(1, 0.5, np.float32)
    narrow = Predictions(np.arange(1), np.zeros(1, np.int64), np.zeros(1, np.int64), half, half)
    with pytest.raises(InvariantError) as caught:
        CALIBRATION.measure({CLEAN: narrow}, FACTS)
    assert str(caught.value) == "clean: the predictions came without the probabilities that the view asks for"
