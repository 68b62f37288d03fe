"""Demands and values to check against them, for tests of the gate."""

from support.requests import value

from quba_check.core.confidence import SCORES, ConfidenceCurve
from quba_check.core.dimension import Part
from quba_check.core.grade import Grade
from quba_check.core.measurement import Measurement, Quantity
from quba_check.demands import Demand

FILE = "thresholds/default.yaml"
CORRUPTIONS = tuple(Part(name, "ratio", "high", "") for name in ("fog", "snow", "frost", "glass_blur"))
CORRUPTION = Demand(
    value("corruption_robustness", unit="ratio"), "min", 0.5, "block", False, FILE, 12, CORRUPTIONS
)
CALIBRATION = Demand(value("calibration_error", better="low"), "max", 0.01, "block", False, FILE, 16)
PARAMETERS = Demand(value("parameters", unit="millions", better="low"), "max", 20.0, "block", False, FILE, 17)
LETTER = Demand(value("quba", "grade", unit="grade"), "min", "C", "block", False, FILE, 21)
SCORE = Demand(value("quba", "score", unit="score"), "min", 0.0, "block", False, FILE, 20)
GRADE = Grade(-0.412, 21.7, "D", "published", "released", complete=True)


def corruption(value: float, **parts: float) -> Measurement:
    quantities = {name: Quantity(number, "ratio", 250) for name, number in parts.items()}
    return Measurement("corruption_robustness", value, "ratio", 3_750_000, parts=quantities)


def parameters(value: float) -> Measurement:
    return Measurement("parameters", value, "millions", None)


def noisy(value: float, error: float) -> Measurement:
    curve = ConfidenceCurve(tuple(value + score * error for score in SCORES))
    return Measurement("corruption_robustness", value, "ratio", 1000, curve)
