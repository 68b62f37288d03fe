"""Intervals stay within the possible range of their number."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from support.answers import facts, right_on

from quba_check.core.measurement import Measurement, Quantity
from quba_check.core.view import CLEAN, FGSM, PGD, SEVERITIES, View
from quba_check.dimensions import registry

FACTS = facts(shifts=("sketch",), corruptions=("fog",))
FOG = [View("corruptions", "fog", severity) for severity in SEVERITIES]
SAME = View("mixed_same")
RANDOM = View("mixed_rand")
SKETCH = View("sketch")


@st.composite
def answers(draw):
    """Predictions for up to 30 images and for others; at least one clean image is right."""
    n = draw(st.integers(1, 30))
    share = draw(st.sampled_from((0.1, 0.5, 0.9, 1.0)))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    views = (CLEAN, FGSM, PGD, *FOG, SAME, RANDOM)
    tables = {view: table(rng.random(n) < share) for view in views}
    tables[CLEAN].predicted[0] = 0
    tables[SKETCH] = table(rng.random(draw(st.integers(1, 30))) < share)
    return tables


def table(right):
    return right_on(right, extra={"always_right": right, "zero_gradient": np.zeros(len(right), bool)})


def stays_within(found: Measurement | Quantity, low: float, high: float) -> bool:
    limits = np.array(found.curve.limits)
    rises = np.all(np.diff(limits) >= 0)
    holds_the_value = limits[0] - 1e-9 <= found.value <= limits[-1] + 1e-9
    return bool(rises and holds_the_value and low <= limits[0] and limits[-1] <= high)


@given(answers())
@settings(deadline=None, derandomize=True, max_examples=60)
def test_ratios_end_at_one_over_the_clean_accuracy(tables):
    """Those on other images have no upper end; object_focus is as far from 1."""
    most = 1 / tables[CLEAN].accuracy
    for name in ("adversarial_robustness", "corruption_robustness"):
        measured = registry[name].measure(tables, FACTS)
        for found in (measured, *measured.parts.values()):
            assert stays_within(found, 0, most if found.unit == "ratio" else 1), name
    assert stays_within(registry["object_focus"].measure(tables, FACTS), 1 - most, 1 + most)
    assert stays_within(registry["ood_robustness"].measure(tables, FACTS), 0, np.inf)
