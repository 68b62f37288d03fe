import math

import numpy as np
import pytest
from tuned import record, thresholds

from quba_check.errors import ThresholdError
from quba_check.gate import judge
from quba_check.metrics import limits
from quba_check.protocol.confidence import SCORES, ConfidenceCurve
from quba_check.protocol.measurement import Measurement
from quba_check.tuning.power import reaches

FILE = "uncertain: POLICY\ndimensions: {accuracy: {min: 0.8}}"


def test_the_binomial_error_at_the_bound():
    (reach,) = reaches(thresholds(FILE.replace("POLICY", "point")), 400)
    assert reach.error == pytest.approx(math.sqrt(0.8 * 0.2 / 400))
    assert (reach.blocked, reach.passed) == pytest.approx(
        (0.8 - 0.8416 * 0.02, 0.8 + 0.8416 * 0.02), abs=1e-5
    )


@pytest.mark.parametrize("policy", ["point", "fail", "allow"])
def test_says_what_a_gate_does_to_models_with_those_true_values(policy):
    """Simulated runs of models at both values: four of five are blocked, or pass."""
    file = thresholds(FILE.replace("POLICY", policy))
    (reach,) = reaches(file, 2000)
    rng = np.random.default_rng(0)

    def share_met(accuracy):
        met = 0
        for hits in rng.binomial(2000, accuracy, 400):
            curve = ConfidenceCurve(tuple(limits.wilson(int(hits), 2000, np.array(SCORES)).tolist()))
            held = Measurement("accuracy", hits / 2000, "fraction", 2000, curve)
            met += judge(file.demands[0], held, file.policy).row("").is_met
        return met / 400

    assert share_met(reach.blocked) == pytest.approx(0.2, abs=0.06)
    assert share_met(reach.passed) == pytest.approx(0.8, abs=0.06)


def test_errors_of_a_run_are_scaled_to_the_number_of_images():
    text = "dimensions: {accuracy: {min: 0.8}, corruption_robustness: {min: 0.5, parts: {fog: {min: 0.4}}}}"
    found = reaches(thresholds(text), 250, record())
    assert [reach.error for reach in found] == pytest.approx([0.02, 0.04, 0.06])


def test_a_drop_has_the_error_of_two_runs():
    """0.8 of 400: ± 0.02 each, ± 0.0283 their difference, which is 0.0354 of 0.8."""
    text = "dimensions: {accuracy: {min: 0.8, max_drop: 0.05, max_relative_drop: 10%}}"
    _, drop, relative = reaches(thresholds(text), 400)
    assert (drop.error, relative.error) == pytest.approx((0.02 * 2**0.5, 0.02 * 2**0.5 / 0.8))
    assert (drop.blocked, drop.passed) == pytest.approx((0.0738, 0.0262), abs=1e-4)
    alone = thresholds("dimensions: {accuracy: {max_drop: 0.05}, shape_bias: {max_relative_drop: 5%}}")
    assert [reach.error for reach in reaches(alone, 400)] == [None, None]


def test_a_drop_from_a_run_is_as_sure_as_the_run():
    text = "dimensions: {accuracy: {max_drop: 0.05, max_relative_drop: 10%}}"
    drop, relative = reaches(thresholds(text), 1000, record())
    assert (drop.error, relative.error) == pytest.approx((0.01 * 2**0.5, 0.01 * 2**0.5 / 0.9))


def test_what_has_no_error_or_none_that_is_known():
    text = "dimensions: {calibration_error: {max: 0.1}, parameters: {max: 9}}\nquba: {min_grade: C}"
    assert [reach.error for reach in reaches(thresholds(text), 100)] == [None, None, None]
    assert [reach.error for reach in reaches(thresholds(text), 1000, record())] == [
        pytest.approx(0.004),
        None,
        None,
    ]


def test_a_record_of_another_protocol():
    with pytest.raises(ThresholdError) as caught:
        reaches(thresholds("protocol: released\ndimensions: {accuracy: {min: 0.9}}"), 100, record())
    assert str(caught.value) == (
        "x.yaml: states protocol released, but the values of r50 are of protocol standard. "
        "Allowed: a file that states standard, or no protocol."
    )
