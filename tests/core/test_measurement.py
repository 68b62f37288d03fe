"""Measurements: their text in failed assertions."""

from __future__ import annotations

import pytest

from quba_check.core.confidence import SCORES, ConfidenceCurve
from quba_check.core.measurement import Measurement, Quantity

CURVE = ConfidenceCurve(tuple(0.97 + 0.01 * score for score in SCORES))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (
            Measurement("accuracy", 0.97, "fraction", 50_000, CURVE, parts={"top5": Quantity(1.0, "x", 1)}),
            "Measurement(accuracy 0.970 fraction, n=50000, 0.950..0.990)",
        ),
        (Measurement("parameters", 25.557032, "millions", None), "Measurement(parameters 25.557 M)"),
        (
            Measurement("calibration_error", 0.0045, "fraction", 9),
            "Measurement(calibration_error 0.0045 fraction, n=9)",
        ),
        (Quantity(12.0, "images", 640), "Quantity(12 images, n=640)"),
        (Quantity(0.97, "ratio", 400, CURVE), "Quantity(0.970 ratio, n=400, 0.950..0.990)"),
    ],
)
def test_short_text(number: Measurement | Quantity, text: str) -> None:
    assert repr(number) == text
