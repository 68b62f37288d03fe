"""A verdict as records keep it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm
from support.gated import CORRUPTION, FILE, GRADE, LETTER, corruption
from support.requests import value

from quba_check.core.confidence import SCORES, ConfidenceCurve
from quba_check.core.measurement import Measurement
from quba_check.stats.intervals import share_limits
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
