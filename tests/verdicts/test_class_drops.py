"""Drops of any class: the largest one, paired, with the class named."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.answers import answers, facts
from support.requests import class_request

from quba_check.comparison.difference import RunValue
from quba_check.core.request import EACH
from quba_check.core.view import CLEAN
from quba_check.demands import Demand
from quba_check.demands.demand import POINT, Policy
from quba_check.dimensions import measure_dimension, registry
from quba_check.records.per_image import PerImage
from quba_check.records.verdict import Waiver
from quba_check.verdicts import Verdict, decide
from quba_check.verdicts.class_drops import largest_drop
from quba_check.verdicts.explanation import verdict_row

NAMES = ("roses", "tulips", "sunflowers")
PER_CLASS = 100
LABEL = np.repeat(np.arange(3), PER_CLASS)
BEFORE = (60, 90, 95)
AFTER = (64, 83, 92)
"""Correct images of each class. Roses, the worst class, get better."""


def called(correct: tuple[int, ...]) -> NDArray[np.int64]:
    """Answers of which the first ones of each class are correct, and others the next class."""
    is_right = np.arange(len(LABEL)) % PER_CLASS < np.repeat(correct, PER_CLASS)
    return np.where(is_right, LABEL, (LABEL + 1) % 3)


def value(correct: tuple[int, ...], metric: str = "recall", **columns: Any) -> RunValue:
    """The number of the worst class of a model."""
    request = class_request(EACH, (), metric)
    known = facts(3, class_names=NAMES, requests=(request,))
    tables = {CLEAN: answers(LABEL, called(correct), **columns)}
    measured = measure_dimension(registry["classes"], tables, known)
    return RunValue.of(measured, "classes", request.part, PerImage.of(measured), "")


def demand(key: Any = "max_drop", bound: float = 0.01, metric: str = "recall", **changed: Any) -> Demand:
    request = class_request(EACH, (), metric)
    return replace(Demand(request, key, bound, "block", False, "t.yaml", 4), **changed)


def verdict(own: Demand, before: RunValue, after: RunValue, policy: Policy = POINT) -> Verdict:
    return decide(own, largest_drop(own, "old.json", before, after), policy)


def test_the_largest_drop_of_any_class_decides() -> None:
    row = verdict_row(verdict(demand(), value(BEFORE), value(AFTER)), "x")
    assert (row.outcome, row.judged and row.judged.value) == ("fail", pytest.approx(0.07))
    assert row.explanation.images == {"class": "tulips"}
    headline, of_class, n, interval, largest = [
        line for line in row.message.splitlines() if "would be enough" not in line and "t.yaml" not in line
    ]
    assert headline == "classes.each.recall drop 0.0700 is above 0.0100 (over by 0.0600)"
    assert of_class == "  tulips: from 0.900 in old.json to 0.830, paired image by image"
    assert n == "  n = 300 images"
    assert interval.startswith("  95 % interval 0.0")
    assert largest.startswith("  largest drops: tulips 0.0700 (0.0")
    assert [part.split()[0] for part in largest.split("), ")] == ["largest", "sunflowers", "roses"]
    assert row.explanation.place == "t.yaml:4"


def test_a_model_without_a_drop_has_the_one_nearest_to_it() -> None:
    better = verdict(demand(), value(BEFORE), value((64, 95, 96)))
    assert (better.outcome, better.value) == ("pass", pytest.approx(-0.01))
    same = verdict(demand(bound=0.0), value(BEFORE), value(BEFORE), Policy("fail"))
    assert same.value == 0


def test_limits_hold_for_all_classes() -> None:
    """The upper limit is that of the class that has the largest one; the lower limit is corrected."""
    own = verdict(demand(), value(BEFORE), value((60, 83, 95))).curve
    other = verdict(demand(replaced=(0, 2)), value(BEFORE), value((60, 83, 95))).curve
    assert own.at(2) == pytest.approx(other.at(2))
    assert own.at(-2) < other.at(-2)


def test_relative_drops_and_other_numbers() -> None:
    relative = verdict(demand("max_relative_drop"), value(BEFORE), value(AFTER))
    assert relative.value == pytest.approx(7 / 90)
    none = verdict(demand("max_relative_drop"), value((0, 90, 95)), value(AFTER))
    assert none.reason == (
        "classes.roses.recall is 0 in old.json, so a relative drop is undefined. Use max_drop"
    )
    precision = largest_drop(
        demand(metric="precision"), "b", value(BEFORE, "precision"), value(AFTER, "precision")
    )
    assert (precision.of_class, precision.value) == ("sunflowers", pytest.approx(95 / 105 - 92 / 109))


def test_groups_count_as_one_observation() -> None:
    group = np.arange(len(LABEL)) // 5
    grouped = largest_drop(demand(), "b", value(BEFORE, group=group), value(AFTER, group=group))
    assert grouped.sample.groups == 20
    few = np.arange(len(LABEL)) // 50
    judged = verdict(demand(), value(BEFORE, group=few), value(AFTER, group=few), Policy("fail"))
    assert judged.outcome == "unmeasurable"


def test_a_class_with_a_waived_demand_of_its_own_is_left_out() -> None:
    own = verdict(demand(replaced=(1,)), value(BEFORE), value(AFTER))
    assert own.value == pytest.approx(0.03)
    note = "judged by demands of their own, with waivers: tulips"
    assert note in verdict_row(own, "x").explanation.notes
    none = verdict(demand(replaced=(0, 1, 2)), value(BEFORE), value(AFTER))
    assert none.reason == "each class has a demand of its own"


def test_a_class_that_is_never_predicted_blocks() -> None:
    own = demand(metric="precision", optional=True)
    judged = verdict(own, value(BEFORE, "precision"), value((0, 90, 100), "precision"))
    assert (judged.outcome, judged.reason) == (
        "unmeasurable",
        "of a model: no image of the set clean is called roses",
    )


def test_without_answers_by_image_it_is_unmeasurable() -> None:
    """Never the drop of the worst class."""
    known = value(AFTER)
    recorded = replace(value(BEFORE), classes=None)
    for before, after, name in ((recorded, known, "old.json"), (known, recorded, "this run")):
        judged = verdict(demand(), before, after)
        assert (judged.outcome, judged.reason) == (
            "unmeasurable",
            f"{name} has no answers by image behind classes.each.recall. Allowed: the model itself "
            "(--quba-reference), or a record with its file of answers, of clean images and the model's own "
            "preprocessing",
        )


WAIVER = Waiver(until=date(2027, 1, 31), by="ann", reason="new", bound=0.2)
ROSES = replace(demand(waiver=WAIVER), request=class_request("roses", (0,), "recall"))
OTHERS: dict[str, tuple[Demand, bool, bool]] = {
    "waived": (ROSES, True, True),
    "stricter": (replace(ROSES, bound=0.0), True, True),
    "not waived": (replace(ROSES, waiver=None), True, False),
    "looser": (replace(ROSES, bound=0.02), True, False),
    "a warning": (replace(ROSES, tier="warn"), True, False),
    "optional": (replace(ROSES, optional=True), True, False),
    "another bound": (replace(ROSES, key="max_relative_drop"), False, False),
    "another number": (replace(ROSES, request=class_request("roses", (0,), "f1")), False, False),
    "another set": (replace(ROSES, request=replace(ROSES.request, set="night")), False, False),
    "two classes": (replace(ROSES, request=class_request("roses|tulips", (0, 1), "recall")), False, False),
}


@pytest.mark.parametrize("name", OTHERS)
def test_only_a_waived_demand_that_is_as_strict_replaces_that_of_any_class(name: str) -> None:
    own, is_of_class, replaces = OTHERS[name]
    assert (own.is_of_class_in(demand()), own.replaces(demand())) == (is_of_class, replaces)
    assert not own.replaces(demand("min"))
