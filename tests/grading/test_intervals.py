"""The interval of the score."""

import numpy as np
import pytest

from quba_check.core.confidence import SCORES, ConfidenceCurve
from quba_check.core.measurement import Measurement
from quba_check.grading import grade
from quba_check.grading.population import full_weights
from quba_check.grading.published import models_by_name, published_population

SWIN = models_by_name()["Swin-B"].values
RNG = np.random.default_rng(0)
SHARED = RNG.standard_normal(500)


def measured(**changed):
    """All nine; three of them move with the same images, two with others."""
    found = {}
    for name, value in SWIN.items():
        sample, scale = ("clean", 0.1) if name in ("accuracy", "class_balance") else (name, 0.05)
        influences = {sample: scale * (SHARED if sample == "clean" else RNG.standard_normal(500))}
        error = scale / 500**0.5
        curve = ConfidenceCurve(tuple(value + error * score for score in SCORES))
        found[name] = Measurement(name, value, "x", 500, curve, influences=influences)
    found["parameters"] = Measurement("parameters", 87.8, "millions", None)
    return found | changed


def test_is_the_spread_of_redrawn_scores():
    found = measured()
    graded = grade(SWIN, measured=found)
    population = published_population()
    draws = []
    for _ in range(800):
        rows = RNG.integers(0, 500, 500)
        moved = {
            name: of.value + sum(float(column[rows].mean()) for column in of.influences.values())
            for name, of in found.items()
        }
        draws.append(population.score(moved, full_weights()))
    low, high = graded.interval
    assert (high - low) / 2 / 1.96 == pytest.approx(np.std(draws), rel=0.1)
    assert low < graded.score < high


def test_limits_wider_than_the_deviations_imply_count():
    """All images are correct: influences are 0, and only the exact limits are known."""
    curve = ConfidenceCurve(tuple(0.8358 + 0.02 * score for score in SCORES))
    alike = Measurement("accuracy", 0.8358, "x", 500, curve, influences={"clean": np.zeros(500)})
    known = grade(SWIN, measured=measured())
    flat = grade(SWIN, measured=measured(accuracy=alike))
    assert flat.interval[1] - flat.interval[0] > 1.1 * (known.interval[1] - known.interval[0])


def test_the_letters_that_it_spans():
    wide = grade(SWIN, measured=measured())
    low, high = wide.interval
    ends = [np.inf, *wide.least.values(), -np.inf]
    spans = zip("ABCDF", ends[1:], ends[:-1], strict=True)
    assert wide.letter == "C"
    assert wide.letters == tuple(letter for letter, above, below in spans if high > above and low <= below)


def test_no_interval_without_what_images_add():
    curve = ConfidenceCurve(tuple(0.15 + 0.01 * score for score in SCORES))
    nothing = Measurement("adversarial_robustness", 0.1492, "ratio", 500, curve)
    assert grade(SWIN).interval is None
    assert grade(SWIN, measured=measured(adversarial_robustness=nothing)).interval is None
