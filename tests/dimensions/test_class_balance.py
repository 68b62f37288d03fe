import numpy as np
import pytest
from support.answers import answers, facts, reason, values

from quba_check.core.view import CLEAN
from quba_check.dimensions import registry

BALANCE = registry["class_balance"]


def clean(label, right, probability):
    answer = np.where(right, label, np.add(label, 1))
    own = np.array(probability, np.float32)
    return {CLEAN: answers(label, answer, confidence=own, true_probability=own)}


def test_value_and_parts_by_hand():
    """Accuracies 1 and 0.5 (sd √0.125), spreads 0.1 and 0.2, means 0.8 and 0.5 (sd √0.045)."""
    table = clean([0, 0, 1, 1], [True, True, True, False], [0.9, 0.7, 0.7, 0.3])
    measured = BALANCE.measure(table, facts(2))
    assert measured.value == pytest.approx(((1 - 0.125**0.5) * 0.85) ** 0.5)
    assert (measured.unit, measured.n) == ("fraction", 4)
    assert values(measured) == pytest.approx(
        {"accuracy": 1 - 0.125**0.5, "confidence": 0.85, "between_class_confidence": 1 - 0.045**0.5}
    )


def test_classes_that_are_never_predicted_or_never_right_have_notes():
    table = clean([0, 0, 1, 1, 2, 2], [True, True, False, False, False, False], np.ones(6))
    measured = BALANCE.measure(table, facts(3))  # of class 1 all called 2, of class 2 all called 3
    assert measured.notes == (
        "never predicted: class 1 (1 of 3 classes)",
        "predicted, but never right: class 2 (1 of 3 classes)",
    )
    assert measured.tables["confusions"].rows == (("class 1", "class 2", 2, 1.0),)


FISH = ("tench", "goldfish, Carassius auratus", "crane")
LACKING = {
    "names": ([0, 0, 1], facts(3, class_names=FISH)),
    "one": ([0, 0, 1, 2, 2], facts(3)),
    "many": ([3, 3, 5, 7, 7], facts(1000)),
    "one class": ([0, 0], facts(1)),
}


def test_reasons(snapshot):
    assert {
        name: reason(BALANCE, clean(label, True, np.ones(len(label))), known)
        for name, (label, known) in LACKING.items()
    } == snapshot


@pytest.mark.parametrize("probability", [1 / 3, 1.0])
def test_a_model_that_always_gives_the_same_answer_has_an_interval(probability):
    """18 images, of which one class of three is right: the value is √(1 − √(1/3)), and no image deviates."""
    label = np.repeat([0, 1, 2], 6)
    table = clean(label, label == 0, np.full(18, probability))
    measured = BALANCE.measure(table, facts(3))
    assert measured.value == pytest.approx((1 - (1 / 3) ** 0.5) ** 0.5)
    for number in (measured, measured.parts["accuracy"], measured.parts["confidence"]):
        low, high = number.interval
        assert low <= number.value <= high
        assert high - low > 0.2
    assert measured.interval[0] < 0.55
    assert measured.interval[1] > 0.75


def test_the_interval_of_the_whole_follows_those_of_the_parts():
    """Independent errors a and c of parts A and C: the error of √(AC) is its half times √(a²/A² + c²/C²)."""
    label = np.repeat([0, 1, 2], 6)
    measured = BALANCE.measure(clean(label, label == 0, np.full(18, 0.5)), facts(3))
    parts = [measured.parts[name] for name in ("accuracy", "confidence")]
    lower = [(part.value - part.curve.at(-1)) / part.value for part in parts]
    assert measured.value - measured.curve.at(-1) == pytest.approx(measured.value / 2 * np.hypot(*lower))
