import numpy as np
import pytest
from support.bare import bare

from quba_check.core.facts import Facts, ModelFacts, SuiteFacts
from quba_check.core.measurement import Quantity
from quba_check.core.predictions import NO_CLASS, Predictions
from quba_check.core.view import CLEAN, View
from quba_check.dimensions import registry
from quba_check.errors import UnmeasurableError

FOCUS = registry["object_focus"]
FACTS = Facts(SuiteFacts("tiny", 2, shifts=(), corruptions=(), spaces={}), ModelFacts(10, 10))


def table(top1):
    """Images that all show class 0."""
    n = len(top1)
    half = np.full(n, 0.5, np.float32)
    return Predictions(np.arange(n), np.zeros(n, np.int64), np.array(top1, np.int64), half, half)


def views(clean, same, random):
    return {CLEAN: table(clean), View("mixed_same"): table(same), View("mixed_rand"): table(random)}


def test_value_and_parts_by_hand():
    """Clean 0.8, same 0.75 and random 0.5; an answer outside the nine classes is wrong."""
    measured = FOCUS.measure(views([0, 0, 0, 0, 1], [0, 0, 0, 1], [0, 0, NO_CLASS, 1]), FACTS)
    assert measured.value == pytest.approx(1 - 0.25 / 0.8)
    assert (measured.unit, measured.n, measured.images) == ("fraction", 8, 4)
    assert bare(measured.parts) == {
        "mixed_same": Quantity(0.75, "fraction", 4),
        "mixed_rand": Quantity(0.5, "fraction", 4),
    }


def test_a_model_helped_by_other_backgrounds_is_above_one():
    assert FOCUS.measure(views([0, 0], [0, 1], [0, 0]), FACTS).value == 1.5


@pytest.mark.parametrize(
    ("clean", "same", "random", "reason"),
    [
        ([0], [], [0], "the set mixed_same has no images; add some or leave it out of the suite"),
        ([0], [0], [], "the set mixed_rand has no images; add some or leave it out of the suite"),
    ],
)
def test_reasons(clean, same, random, reason):
    with pytest.raises(UnmeasurableError) as caught:
        FOCUS.measure(views(clean, same, random), FACTS)
    assert caught.value.reason == reason


def test_sets_without_an_error_have_an_interval():
    """100 images right on both: Tango's limits of 0 of 100 are ± 0.037."""
    measured = FOCUS.measure(views([0] * 100, [0] * 100, [0] * 100), FACTS)
    assert measured.curve.interval(0.95) == pytest.approx((0.963, 1.037), abs=1e-3)
    of_others = FOCUS.measure(views([0] * 100, [0] * 100, [0] * 80), FACTS)
    low, high = of_others.curve.interval(0.95)
    assert low < 0.97 < 1 < high


def test_intervals_hold_near_one():
    """300 draws of 300 pairs with accuracies 0.995 and 0.985: 95 % less three standard errors is 91.2 %."""
    rng = np.random.default_rng(0)
    held = []
    for _ in range(300):
        same, random = (np.where(rng.random(300) < right, 0, 1) for right in (0.995, 0.985))
        low, high = FOCUS.measure(views([0] * 20, same, random), FACTS).curve.interval(0.95)
        held.append(low <= 0.99 <= high)
    assert np.mean(held) > 0.912
