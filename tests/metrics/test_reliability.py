"""Reliability bins: by hand, and against the calibration error that they decompose."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quba_check.metrics.calibration import expected_calibration_error, reliability_bins


def test_by_hand():
    confidence = np.array([0.1, 0.2, 0.25, 0.7, 1.0, 1.0], np.float32)
    correct = np.array([False, True, False, True, True, False])
    assert reliability_bins(confidence, correct, bins=5) == [
        (0.0, 0.2, 1, pytest.approx(0.1), 0.0),
        (0.2, 0.4, 2, pytest.approx(0.225), 0.5),
        (0.6, 0.8, 1, pytest.approx(0.7), 1.0),
        (1.0, 1.0, 2, 1.0, 0.5),
    ]


edges = [np.float32(j / 15) for j in range(16)]
confidences = st.floats(0, 1, width=32) | st.sampled_from([float(edge) for edge in edges])


@given(st.lists(st.tuples(confidences, st.booleans()), min_size=1, max_size=60), st.sampled_from([1, 2, 15]))
def test_the_bins_make_up_the_calibration_error(rows, bins):
    confidence = np.array([row[0] for row in rows], np.float32)
    correct = np.array([row[1] for row in rows])
    result = reliability_bins(confidence, correct, bins=bins)
    assert sum(images for _, _, images, _, _ in result) == len(rows)
    assert [low for low, *_ in result] == sorted({low for low, *_ in result})
    for low, high, _, mean, accuracy in result:
        assert low - 1e-7 <= mean <= high + 1e-7
        assert 0 <= accuracy <= 1
    gap = sum(images * abs(accuracy - mean) for _, _, images, mean, accuracy in result) / len(rows)
    error = expected_calibration_error(confidence, correct, bins=bins).value
    assert gap == pytest.approx(error, abs=1e-12)
