"""Measurements: their text in failed assertions."""

from syrupy.assertion import SnapshotAssertion

from quba_check.core.confidence import SCORES, ConfidenceCurve
from quba_check.core.measurement import Measurement, Quantity

CURVE = ConfidenceCurve(tuple(0.97 + 0.01 * score for score in SCORES))


NUMBERS = (
    Measurement("accuracy", 0.97, "fraction", 50_000, CURVE, parts={"top5": Quantity(1.0, "x", 1)}),
    Measurement("parameters", 25.557032, "millions", None),
    Measurement("calibration_error", 0.0045, "fraction", 9),
    Quantity(12.0, "images", 640),
    Quantity(0.97, "ratio", 400, CURVE),
)


def test_short_text(snapshot: SnapshotAssertion) -> None:
    assert "\n".join(map(repr, NUMBERS)) == snapshot
