import numpy as np
import pytest
from support.answers import answers as table
from support.answers import bare, facts, reason

from quba_check.core.measurement import Quantity
from quba_check.core.predictions import NO_CLASS
from quba_check.core.view import CLEAN, View
from quba_check.dimensions import registry

OOD = registry["ood_robustness"]
SKETCH = View("sketch")
RENDITIONS = View("imagenet_r")
COARSE = CLEAN.read_in("coarse")


def with_shifts(**spaces):
    """A suite whose shifts declare these label spaces."""
    return facts(4, shifts=tuple(spaces), spaces={"clean": None, **spaces})


def test_value_and_parts_by_hand():
    """Clean 6 of 8. `sketch` is coarse, 3 of 6; `imagenet_r` is in the model's own classes, 1 of 4."""
    views = {
        CLEAN: table([0, 0, 1, 1, 2, 2, 3, 3], [0, 0, 1, 0, 2, 2, 3, 1]),
        COARSE: table([0, 0, 0, 0, 1, 1, NO_CLASS, NO_CLASS], [0, 0, 0, 0, 1, 0, NO_CLASS, 0]),
        SKETCH: table([0, 0, 0, 1, 1, 1], [0, 0, 1, 1, NO_CLASS, 0]),
        RENDITIONS: table([0, 0, 1, 1], [0, 3, 2, 3]),
    }
    measured = OOD.measure(views, with_shifts(sketch="coarse", imagenet_r=None))
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
    parts = OOD.parts(with_shifts(night="coarse", rain=None).suite)
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
    assert OOD.measure(views, with_shifts(sketch=None, imagenet_r=None)).value == 0.0


def test_only_classes_of_the_shifted_set_are_matched():
    """The set shows coarse class 1 and no class; of two clean images of class 1 one is right."""
    views = {
        CLEAN: table([0, 1, 2, 3], [0, 1, 2, 3]),
        COARSE: table([0, 1, 1, NO_CLASS], [0, 1, 0, NO_CLASS]),
        SKETCH: table([1, 1, NO_CLASS], [1, 1, NO_CLASS]),
    }
    parts = bare(OOD.measure(views, with_shifts(sketch="coarse")).parts)
    assert parts["sketch_accuracy"] == Quantity(pytest.approx(2 / 3), "fraction", 3)
    assert parts["sketch_matched"] == Quantity(0.5, "fraction", 2)


def test_a_match_without_clean_images_is_left_out_with_a_note():
    views = {CLEAN: table([0, 1], [0, 1]), SKETCH: table([3], [3])}
    measured = OOD.measure(views, with_shifts(sketch=None))
    assert set(measured.parts) == {"sketch", "sketch_accuracy"}
    assert measured.notes == ("sketch_matched is left out: no clean image has one of the classes of sketch",)


def test_reasons(snapshot):
    empty = {CLEAN: table([0], [0]), SKETCH: table([], [])}
    assert [
        reason(OOD, {CLEAN: table([0], [0])}, with_shifts()),
        reason(OOD, empty, with_shifts(sketch=None)),
    ] == snapshot


def test_sets_without_an_error_have_an_interval():
    """40 and 30 images: the exact lower limits are 0.91 and 0.88, and each set spends half of the error."""
    right = np.zeros(40, int)
    views = {
        CLEAN: table(right, right),
        SKETCH: table(right, right),
        RENDITIONS: table(right[:30], right[:30]),
    }
    measured = OOD.measure(views, with_shifts(sketch=None, imagenet_r=None))
    assert measured.value == 1
    for found in (measured, measured.parts["sketch"]):
        low, high = found.curve.interval(0.95)
        assert 0.85 < low < 0.93
        assert 1.05 < high < 1.25
