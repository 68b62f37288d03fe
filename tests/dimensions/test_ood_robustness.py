import numpy as np
import pytest
from support.bare import bare

from quba_check.core.facts import Facts, ModelFacts, SuiteFacts
from quba_check.core.measurement import Quantity
from quba_check.core.predictions import NO_CLASS, Predictions
from quba_check.core.view import CLEAN, View
from quba_check.dimensions import registry
from quba_check.errors import UnmeasurableError

OOD = registry["ood_robustness"]
SKETCH, RENDITIONS = View("sketch"), View("imagenet_r")
COARSE = CLEAN.read_in("coarse")


def facts(**spaces):
    """A suite whose shifts declare these label spaces."""
    suite = SuiteFacts("tiny", 4, shifts=tuple(spaces), corruptions=(), spaces={"clean": None, **spaces})
    return Facts(suite, ModelFacts(10, 10))


def table(label, top1):
    half = np.full(len(label), 0.5, np.float32)
    return Predictions(np.arange(len(label)), np.array(label, int), np.array(top1, int), half, half)


def test_value_and_parts_by_hand():
    """Clean 6 of 8. `sketch` is coarse, 3 of 6; `imagenet_r` is in the model's own classes, 1 of 4."""
    views = {
        CLEAN: table([0, 0, 1, 1, 2, 2, 3, 3], [0, 0, 1, 0, 2, 2, 3, 1]),
        COARSE: table([0, 0, 0, 0, 1, 1, NO_CLASS, NO_CLASS], [0, 0, 0, 0, 1, 0, NO_CLASS, 0]),
        SKETCH: table([0, 0, 0, 1, 1, 1], [0, 0, 1, 1, NO_CLASS, 0]),
        RENDITIONS: table([0, 0, 1, 1], [0, 3, 2, 3]),
    }
    measured = OOD.measure(views, facts(sketch="coarse", imagenet_r=None))
    assert bare(measured.parts) == {
        "sketch": Quantity(pytest.approx(2 / 3), "ratio", 6),
        "imagenet_r": Quantity(pytest.approx(1 / 3), "ratio", 4),
        "sketch_accuracy": Quantity(0.5, "fraction", 6),
        "sketch_matched": Quantity(pytest.approx(5 / 6), "fraction", 6),
        "imagenet_r_accuracy": Quantity(0.25, "fraction", 4),
        "imagenet_r_matched": Quantity(0.75, "fraction", 4),
    }
    assert measured.value == pytest.approx((2 / 9) ** 0.5)
    assert (measured.unit, measured.n, measured.notes) == ("ratio", 10, ())


def test_parts_are_named_after_the_suite_s_shifts():
    parts = OOD.parts(facts(night="coarse", rain=None).suite)
    assert [(part.name, part.better) for part in parts] == [
        ("night", "high"),
        ("rain", "high"),
        ("night_accuracy", None),
        ("night_matched", None),
        ("rain_accuracy", None),
        ("rain_matched", None),
    ]


def test_one_set_at_zero_makes_it_zero():
    views = {CLEAN: table([0, 1], [0, 1]), SKETCH: table([0], [1]), RENDITIONS: table([1], [1])}
    assert OOD.measure(views, facts(sketch=None, imagenet_r=None)).value == 0.0


def test_only_classes_of_the_shifted_set_are_matched():
    """The set shows coarse class 1 alone, on which the model is right in one of two clean images."""
    views = {
        CLEAN: table([0, 1, 2], [0, 1, 2]),
        COARSE: table([0, 1, 1], [0, 1, 0]),
        SKETCH: table([1, 1], [1, 1]),
    }
    measured = OOD.measure(views, facts(sketch="coarse"))
    assert bare(measured.parts)["sketch_matched"] == Quantity(0.5, "fraction", 2)


def test_images_without_a_class_are_wrong_and_match_nothing():
    views = {
        CLEAN: table([0, 1, 2], [0, 1, 2]),
        COARSE: table([0, 1, NO_CLASS], [0, 1, NO_CLASS]),
        SKETCH: table([0, 1, NO_CLASS], [0, 1, NO_CLASS]),
    }
    measured = OOD.measure(views, facts(sketch="coarse"))
    assert bare(measured.parts)["sketch_accuracy"] == Quantity(pytest.approx(2 / 3), "fraction", 3)
    assert bare(measured.parts)["sketch_matched"] == Quantity(1.0, "fraction", 2)


def test_a_match_without_clean_images_is_left_out_with_a_note():
    views = {CLEAN: table([0, 1], [0, 1]), SKETCH: table([3], [3])}
    measured = OOD.measure(views, facts(sketch=None))
    assert set(measured.parts) == {"sketch", "sketch_accuracy"}
    assert measured.notes == ("sketch_matched is left out: no clean image has one of the classes of sketch",)


@pytest.mark.parametrize(
    ("views", "reason"),
    [
        ({CLEAN: table([0], [0])}, "the suite has no shifted sets; declare at least one under 'shifts'"),
        (
            {CLEAN: table([0], [0]), SKETCH: table([], [])},
            "the set sketch has no images; add some or leave it out of the suite",
        ),
    ],
)
def test_reasons(views, reason):
    shifts = {view.set: None for view in views if view != CLEAN}
    with pytest.raises(UnmeasurableError) as caught:
        OOD.measure(views, facts(**shifts))
    assert (caught.value.reason, caught.value.missing_data) == (reason, True)


def test_sets_without_an_error_have_an_interval():
    """40 and 30 images: the exact lower limits are 0.91 and 0.88, and each set spends half of the error."""
    right = np.zeros(40, int)
    views = {
        CLEAN: table(right, right),
        SKETCH: table(right, right),
        RENDITIONS: table(right[:30], right[:30]),
    }
    measured = OOD.measure(views, facts(sketch=None, imagenet_r=None))
    assert measured.value == 1
    for found in (measured, measured.parts["sketch"]):
        low, high = found.curve.interval(0.95)
        assert 0.85 < low < 0.93
        assert 1.05 < high < 1.25
