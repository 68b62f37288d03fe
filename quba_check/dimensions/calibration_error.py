"""calibration_error: how far the model's probabilities are from frequencies."""

from __future__ import annotations

from quba_check.dimensions._accuracies import Tables, Z, accuracy_on, clean_probabilities, curve
from quba_check.dimensions._registry import dimension
from quba_check.metrics import limits
from quba_check.metrics.calibration import (
    CalibrationError,
    adaptive_calibration_error,
    expected_calibration_error,
)
from quba_check.metrics.estimate import geometric_mean_of
from quba_check.metrics.means import geometric_mean
from quba_check.protocol.confidence import ConfidenceCurve
from quba_check.protocol.dimension import Part
from quba_check.protocol.facts import Facts
from quba_check.protocol.measurement import Measurement, Quantity
from quba_check.protocol.settings import BINS
from quba_check.protocol.view import CLEAN


@dimension(
    "calibration_error",
    title="How far the model's probabilities are from how often it is right.",
    unit="fraction",
    better="low",
    weight=1,
    source="arXiv 2503.17110; ECE: Guo et al., ICML 2017; ACE: Nixon et al., CVPR Workshops 2019",
    views=(CLEAN,),
    parts=(
        Part("ece", "fraction", "low", "expected calibration error of the top label, 15 equally wide bins"),
        Part("ace", "fraction", "low", "adaptive calibration error over all classes, 15 equally full bins"),
    ),
)
def measure(predictions: Tables, _facts: Facts) -> Measurement:
    """Geometric mean of the expected and the adaptive calibration error.

    Raises:
        UnmeasurableError: there are no clean images.
    """
    n = accuracy_on(predictions, CLEAN).n
    clean = predictions[CLEAN]
    ece = expected_calibration_error(clean.confidence, clean.right, bins=BINS, sample=CLEAN)
    ace = adaptive_calibration_error(clean_probabilities(predictions), clean.label, bins=BINS, sample=CLEAN)
    parts = {name: _quantity(error, n) for name, error in (("ece", ece), ("ace", ace))}
    return Measurement(
        "calibration_error",
        geometric_mean([ece.value, ace.value]),
        "fraction",
        n,
        _curve(ece, ace),
        geometric_mean([ece.debiased, ace.debiased]),
        parts=parts,
    )


def _quantity(error: CalibrationError, n: int | None) -> Quantity:
    return Quantity(error.value, "fraction", n, _curve(error), error.debiased)


def _curve(*errors: CalibrationError) -> ConfidenceCurve | None:
    """Limits on the logarithmic scale; none for an error of exactly 0, which a few sure answers can have."""
    if any(error.value == 0 for error in errors):
        return None
    return curve(limits.on_log_scale(geometric_mean_of(error.estimate for error in errors), Z))
