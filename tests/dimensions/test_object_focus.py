import numpy as np
import pytest
from support.answers import answers, bare, facts, reason

from quba_check.core.measurement import Quantity
from quba_check.core.predictions import NO_CLASS
from quba_check.core.view import CLEAN, View
from quba_check.dimensions import registry

FOCUS = registry["object_focus"]
FACTS = facts()


def views(*predicted):
    """Images that all show class 0."""
    sets = CLEAN, View("mixed_same"), View("mixed_rand")
    return {view: answers(np.zeros(len(one)), one) for view, one in zip(sets, predicted, strict=True)}


def test_value_and_parts_by_hand():
    """Clean 0.8, same 0.75 and random 0.5; an answer outside the nine classes is wrong."""
    measured = FOCUS.measure(views([0, 0, 0, 0, 1], [0, 0, 0, 1], [0, 0, NO_CLASS, 1]), FACTS)
    assert measured.value == pytest.approx(1 - 0.25 / 0.8)
    assert (measured.unit, measured.n, measured.sample.images) == ("fraction", 8, 4)
    assert bare(measured.parts) == {
        "mixed_same": Quantity(0.75, "fraction", 4),
        "mixed_rand": Quantity(0.5, "fraction", 4),
    }


def test_a_model_helped_by_other_backgrounds_is_above_one():
    assert FOCUS.measure(views([0, 0], [0, 1], [0, 0]), FACTS).value == 1.5


@pytest.mark.parametrize(("same", "random", "name"), [([], [0], "mixed_same"), ([0], [], "mixed_rand")])
def test_reasons(same, random, name):
    text = f"the set {name} has no images; add some or leave it out of the suite"
    assert reason(FOCUS, views([0], same, random), FACTS) == (text, True)


def test_sets_without_an_error_have_an_interval():
    """100 images right on both: Tango's limits of 0 of 100 are ± 0.037."""
    measured = FOCUS.measure(views([0] * 100, [0] * 100, [0] * 100), FACTS)
    assert measured.curve.interval(0.95) == pytest.approx((0.963, 1.037), abs=1e-3)
    of_others = FOCUS.measure(views([0] * 100, [0] * 100, [0] * 80), FACTS)
    low, high = of_others.curve.interval(0.95)
    assert low < 0.97 < 1 < high
