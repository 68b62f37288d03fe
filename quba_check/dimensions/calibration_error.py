"""calibration_error: how far the model's probabilities are from frequencies."""

from __future__ import annotations

from quba_check.core.confidence import bounded_curve
from quba_check.core.dimension import Part
from quba_check.core.facts import Facts
from quba_check.core.measurement import Measurement, Quantity
from quba_check.core.protocols import BINS
from quba_check.core.view import CLEAN
from quba_check.dimensions._ratios import Tables, Z, accuracy_on, clean_probabilities
from quba_check.dimensions._registry import dimension
from quba_check.metrics.calibration import (
    CalibrationError,
    adaptive_calibration_error,
    expected_calibration_error,
)
from quba_check.metrics.means import geometric_mean
from quba_check.stats import intervals as limits
from quba_check.stats.estimate import geometric_mean_of

ONE_SIDED = 1.6449
"""Normal score of a one-sided 95 % limit."""


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
    ece = expected_calibration_error(clean.confidence, clean.correct, bins=BINS, sample=CLEAN)
    ace = adaptive_calibration_error(clean_probabilities(predictions), clean.label, bins=BINS, sample=CLEAN)
    parts = {name: _quantity(n, error) for name, error in (("ece", ece), ("ace", ace))}
    return Measurement.of("calibration_error", _quantity(n, ece, ace), parts=parts)


def _quantity(n: int | None, *errors: CalibrationError) -> Quantity:
    """The geometric mean of errors; without limits where one is 0, as sure answers can have it."""
    value = geometric_mean(error.value for error in errors)
    debiased = geometric_mean(error.debiased for error in errors)
    if value == 0:
        return Quantity(value, "fraction", n, debiased=debiased)
    estimate = geometric_mean_of(error.estimate for error in errors)
    limit = bounded_curve(limits.on_log_scale(estimate, Z), 0.0, 1.0)
    # One image leaves the limit open, as it does the interval.
    upper = errors[0].debiased_upper(ONE_SIDED) if len(errors) == 1 and limit else None
    return Quantity(value, "fraction", n, limit, debiased, upper, estimate.deviations)
