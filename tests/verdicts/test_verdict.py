"""A verdict as records keep it."""

from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from scipy.stats import norm
from support.gated import CORRUPTION, FILE, GRADE, LETTER, corruption
from support.requests import value

from quba_check.core.confidence import SCORES, ConfidenceCurve
from quba_check.core.measurement import Measurement
from quba_check.stats.intervals import share_limits, share_trials
from quba_check.verdicts import decide
from quba_check.verdicts.explanation import verdict_row


def test_rows():
    row = verdict_row(decide(CORRUPTION, corruption(0.412)), "a.yaml::corruption_robustness[min]")
    assert row.model_dump() == {
        "id": "a.yaml::corruption_robustness[min]",
        "dimension": "corruption_robustness",
        "part": None,
        "bound": "min",
        "limit": 0.5,
        "tier": "block",
        "outcome": "fail",
        "file": FILE,
        "line": 12,
        "message": (
            "corruption_robustness 0.412 is below 0.500 (short by 0.088)\n"
            "  n = 3,750,000 images\n"
            "  demanded by thresholds/default.yaml:12"
        ),
        "explanation": {
            "headline": "corruption_robustness 0.412 is below 0.500 (short by 0.088)",
            "reason": "",
            "value": 0.412,
            "unit": "ratio",
            "interval": None,
            "n": 3_750_000,
            "details": ("n = 3,750,000 images",),
            "place": "thresholds/default.yaml:12",
        },
        "within_noise": False,
        "policy": "point",
        "confidence": 0.95,
        "judged": None,
        "note": "",
        "waiver": None,
        "optional": False,
        "allow_masked": False,
        "min_images": 0,
        "min_groups": 0,
    }
    assert verdict_row(decide(CORRUPTION, corruption(0.6)), "x").message == ""
    assert verdict_row(decide(LETTER, GRADE), "x").limit == "C"


@pytest.mark.parametrize(("hits", "n", "bound"), [(20, 20, 0.99), (60, 100, 0.55), (1, 200, 0.01)])
def test_enough_images_are_those_of_which_the_limit_clears_the_bound(hits, n, bound):
    """The limit of the same share of so many images lies at the bound; a fifth more clear it."""
    demand = replace(CORRUPTION, request=value("accuracy"), threshold=bound)
    curve = ConfidenceCurve(tuple(share_limits(hits, n, np.array(SCORES)).tolist()))
    enough = decide(demand, Measurement("accuracy", hits / n, "fraction", n, curve)).enough_images
    assert enough is not None
    z = norm.ppf(0.975) * (1 if hits / n < bound else -1)
    for more, clears in ((0.7, False), (1.2, True)):
        images = round(enough * more)
        (limit,) = share_limits(round(hits / n * images), images, np.array([z]))
        assert (limit < bound if z > 0 else limit > bound) == clears


@given(st.floats(0, 1), st.floats(1e-4, 0.5), st.sampled_from([-3.3, -1.96, -0.67, 0.67, 1.96, 3.3]))
def test_the_limit_is_near_enough_from_the_stated_number_of_images_on(share, distance, z):
    """The number meets the distance and one image less does not, by the limits themselves."""
    n = share_trials(share, distance, z)
    near = [abs(share_limits(share * one, one, np.array([z])).item() - share) for one in (n, max(n - 1, 1))]
    assert near[0] <= distance * (1 + 1e-9)
    assert n == 1 or near[1] > distance * (1 - 1e-9)


@pytest.mark.parametrize(("share", "z"), [(0.0, -1.96), (1.0, 1.96), (0.3, -1.96)])
def test_one_image_is_enough_for_a_limit_that_no_sample_has(share, z):
    assert share_trials(share, 0.5, z) == 1


def test_a_distance_that_no_number_of_images_reaches_has_the_largest_number():
    assert share_trials(0.5, 1e-9, 1.96) == 2**40
