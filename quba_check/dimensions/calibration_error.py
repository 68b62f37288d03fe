"""Calibration error: the gap between probabilities and frequencies."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from quba_check.core.confidence import curve_of
from quba_check.core.dimension import Part
from quba_check.core.facts import Facts, ModelFacts
from quba_check.core.measurement import Measurement, Quantity, Table
from quba_check.core.predictions import Predictions, Tables
from quba_check.core.protocols import BINS
from quba_check.core.request import Request
from quba_check.core.view import CLEAN
from quba_check.dimensions._measuring import with_groups
from quba_check.dimensions._ratios import accuracy_on, clean_probabilities, mean_quantity
from quba_check.dimensions._registry import dimension
from quba_check.dimensions._requested import RowSource, requested_parts, requested_views, with_requests
from quba_check.dimensions._rows import Rows
from quba_check.metrics import calibration, temperature
from quba_check.metrics.temperature import TemperatureFit
from quba_check.stats.estimate import geometric_mean, geometric_mean_of
from quba_check.stats.intervals import log_normal_limits

HELD_OUT = "each half of the images is scaled by the best temperature of the other half"
"""Note on values that judge a temperature on other images than those that it was fitted on."""
ONE_SIDED = 1.6449
"""Normal score of a one-sided 95 % limit."""

SCORES = {
    "nll": (temperature.negative_log_likelihoods, temperature.LARGEST_NLL, "nats"),
    "brier": (temperature.brier_scores, temperature.LARGEST_BRIER, "squared error"),
}
"""Parts that are means over images: the score of each image, its largest value, its unit."""


_PARTS = (
    Part("ece", "fraction", "low", "expected calibration error of the top label, 15 equally wide bins"),
    Part("ace", "fraction", "low", "adaptive calibration error over all classes, 15 equally full bins"),
    Part("nll", "nats", "low", "mean negative log-likelihood of the label"),
    Part("brier", "squared error", "low", "mean squared distance of the probabilities from the label"),
)


@dimension(
    "calibration_error",
    title="How far the model's probabilities are from how often it is right.",
    unit="fraction",
    better="low",
    weight=1,
    source="arXiv 2503.17110; ECE: Guo et al., ICML 2017; ACE: Nixon et al., CVPR Workshops 2019",
    views=lambda suite: (CLEAN, *requested_views("calibration_error", suite)),
    parts=lambda suite: (*_PARTS, *requested_parts("calibration_error", suite)),
)
def measure(predictions: Tables, facts: Facts) -> Measurement:
    """Geometric mean of the expected and the adaptive calibration error; lower is better.

    Raises:
        UnmeasurableError: there are no clean images.
    """
    accuracy_on(predictions, CLEAN)
    clean = predictions[CLEAN]
    probabilities = clean_probabilities(predictions)
    whole, parts = _errors(clean, clean.confidence, probabilities)
    tables = {"reliability": _reliability(clean.confidence, clean.correct)}
    if facts.with_tables and np.any(clean.label >= 0):
        tables |= _advice(clean, probabilities, parts, facts.model)
    measured = Measurement.of("calibration_error", whole, parts=parts, tables=tables)
    return with_requests(measured, RowSource(predictions, facts.suite), _on_rows)


def _on_rows(request: Request, rows: Rows) -> Quantity:
    """Return the calibration error, or a part of it, on some rows."""
    whole, parts = _errors(rows.table, rows.table.confidence, rows.probabilities)
    return rows.adopted(parts[request.metric] if request.metric else whole)


def _errors(
    clean: Predictions, confidence: NDArray[np.float32], probabilities: NDArray[np.float32]
) -> tuple[Quantity, dict[str, Quantity]]:
    """Return value and parts of the answers to the clean images at some temperature."""
    n = len(clean)
    ece = calibration.expected_calibration_error(confidence, clean.correct, bins=BINS, sample=CLEAN)
    ace = calibration.adaptive_calibration_error(probabilities, clean.label, bins=BINS, sample=CLEAN)
    parts = {"ece": _quantity(n, ece), "ace": _quantity(n, ace)}
    for part, (scores, highest, unit) in SCORES.items():
        parts[part] = mean_quantity(scores(probabilities, clean.label), highest, unit, CLEAN)
    return _quantity(n, ece, ace), parts


def _advice(
    clean: Predictions, probabilities: NDArray[np.float32], parts: Mapping[str, Quantity], model: ModelFacts
) -> dict[str, Table]:
    """Return the best temperature and the values on held-out images, or the reason for none."""
    fit = temperature.fit_temperature(probabilities, clean.label)
    is_second = temperature.halves(clean.label, clean.group)
    columns = ("temperature", "nll", "nll_scaled", "ece", "ece_scaled")
    problem = _problem(clean, fit, is_second, model)
    if problem:
        return {"temperature": Table(columns, (), problem)}
    scaled = temperature.scale_held_out(probabilities, clean.label, is_second)
    confidence = scaled[np.arange(len(clean)), clean.predicted]
    value, held_out = _errors(clean, confidence, scaled)
    row = [fit.temperature * model.temperature]
    row += [values[part].value for part in ("nll", "ece") for values in (parts, held_out)]
    judged = {"calibration_error": value, **held_out}
    grouped = {name: with_groups(quantity, {CLEAN: clean}) for name, quantity in judged.items()}
    return {
        "reliability_scaled": _reliability(confidence, clean.correct, HELD_OUT),
        "temperature": Table(columns, (tuple(row),), HELD_OUT),
        "held_out": Table(
            ("name", "value", "lower", "upper"),
            tuple(
                (name, quantity.value, *(quantity.interval or ("", ""))) for name, quantity in grouped.items()
            ),
            f"{HELD_OUT}; with 95 % intervals",
        ),
    }


def _problem(clean: Predictions, fit: TemperatureFit, is_second: NDArray[np.bool_], model: ModelFacts) -> str:
    """Return the reason why no temperature can be advised; empty if one can."""
    if model.outputs not in (None, "logits"):
        return f"the model's outputs are {model.outputs}, and a temperature divides logits"
    if clean.correct.all():
        return "all images are classified right, so that a lower one always seems better"
    if fit.is_at_limit:
        return "none is best: the likelihood grows to the end of the searched range"
    if len(np.unique(is_second[clean.label >= 0])) < 2:
        return "the images cannot be split into halves to fit and to judge it"
    return ""


def _reliability(confidence: NDArray[np.float32], correct: NDArray[np.bool_], note: str = "") -> Table:
    bins = calibration.reliability_bins(confidence, correct, bins=BINS)
    return Table(("from", "to", "images", "confidence", "accuracy"), tuple(bins), note)


def _quantity(n: int | None, *errors: calibration.CalibrationError) -> Quantity:
    """Geometric mean of one or more errors; without limits if one is 0."""
    value = geometric_mean(error.estimate.value for error in errors)
    debiased = geometric_mean(error.debiased for error in errors)
    if value == 0:  # possible if all answers have a probability of 1
        return Quantity(value, "fraction", n, debiased=debiased)
    estimate = geometric_mean_of(error.estimate for error in errors)
    curve = curve_of(partial(log_normal_limits, estimate), 0.0, 1.0)
    # A single image has neither an interval nor a limit.
    limit = errors[0].debiased_upper(ONE_SIDED) if len(errors) == 1 and curve else None
    return Quantity(value, "fraction", n, curve, debiased, limit, estimate.influences)
