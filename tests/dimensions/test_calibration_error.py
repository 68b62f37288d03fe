import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.answers import answers, bare, facts
from support.errors import error_text

from quba_check.core.measurement import Quantity
from quba_check.core.view import CLEAN
from quba_check.dimensions import registry
from quba_check.errors import InvariantError
from quba_check.metrics.calibration import adaptive_calibration_error, expected_calibration_error
from quba_check.metrics.temperature import LARGEST_NLL, brier_scores, negative_log_likelihoods

CALIBRATION = registry["calibration_error"]
FACTS = facts()


def test_value_and_parts_by_hand():
    """One image, 0.75 sure and wrong: ECE 0.75; ACE (0.75 + |1 − 0.25|) / 2."""
    measured = CALIBRATION.measure({CLEAN: answers([1], None, [[0.75, 0.25]])}, FACTS)
    assert measured.value == pytest.approx(0.75)
    assert (measured.unit, measured.n) == ("fraction", 1)
    assert bare(measured.parts) == {
        "ece": Quantity(0.75, "fraction", 1),
        "ace": Quantity(0.75, "fraction", 1),
        "nll": Quantity(2 * np.log(2), "nats", 1),
        "brier": Quantity(1.125, "squared error", 1),
    }
    assert [part.debiased_limit for part in measured.parts.values()] == [None] * 4


def test_perfect_certainty_has_no_error():
    assert CALIBRATION.measure({CLEAN: answers([0, 1], None, [[1, 0], [0, 1]])}, FACTS).value == 0.0


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, derandomize=True, max_examples=20)
def test_is_the_geometric_mean_of_both_errors(seed):
    rng = np.random.default_rng(seed)
    table = answers(rng.integers(0, 4, 30), None, rng.dirichlet(np.ones(4), size=30))
    measured = CALIBRATION.measure({CLEAN: table}, FACTS)
    ece = expected_calibration_error(table.confidence, table.correct, bins=15).estimate.value
    ace = adaptive_calibration_error(table.probabilities, table.label, bins=15).estimate.value
    assert measured.value == pytest.approx((ece * ace) ** 0.5)
    assert (measured.parts["ece"].value, measured.parts["ace"].value) == (ece, ace)


def test_proper_scores_are_means_with_intervals():
    rng = np.random.default_rng(0)
    table = answers(rng.integers(0, 4, 300), None, rng.dirichlet(np.ones(4), size=300))
    parts = CALIBRATION.measure({CLEAN: table}, FACTS).parts
    for part, scores in (("nll", negative_log_likelihoods), ("brier", brier_scores)):
        values = scores(table.probabilities, table.label)
        assert parts[part].value == values.mean()
        np.testing.assert_allclose(parts[part].influences[CLEAN], values - values.mean(), atol=1e-12)
        low, high = parts[part].interval
        error = values.std() / 300**0.5
        assert values.mean() - low == pytest.approx(1.96 * error, rel=0.25)
        assert 1.96 * error <= high - values.mean() < 1.96 * error + LARGEST_NLL / 300


def test_predictions_without_probabilities_are_refused():
    text = error_text(InvariantError, CALIBRATION.measure, {CLEAN: answers([0], [0])}, FACTS)
    assert text == "clean: the predictions came without the probabilities that the view asks for"
