"""Each request has one name, and no two have the same."""

from dataclasses import fields, replace
from fractions import Fraction
from itertools import chain

import pytest
from demands.test_faults import SUITE
from demands.test_schema import STATED
from hypothesis import find, given, settings
from hypothesis import strategies as st
from support.gate import thresholds

from quba_check.core.request import (
    ANSWER_NUMBERS,
    CLASS_NUMBERS,
    PARITY_NUMBERS,
    OperatingPoint,
    Part,
    Request,
    target_name,
)

VALUE = Part("", "fraction", "high", "")
TOP5 = Part("top5", "fraction", "high", "")
TARGETS = {"cat": (0,), "dog": (1,), "cat|dog": (0, 1), "each": (), "macro": ()}
SETS = st.sampled_from(["clean", "night", "fog", "herds"])
LEVEL = st.sampled_from([0.05, 0.3, 0.123456789012345, 1e-7, 1.0])
SCORES = {"max_logit": "max_logit", "energy": "energy"}
COLUMNS = ["light", "top5", "light,camera", "a:b"]
VALUES = ["light=a", "light=a:worst", "light=a\\", "light=a@b"]

CONDITIONS = [["set"], ["pipeline"], ["epsilon"], ["prevalence"], ["at", "score"], ["slice", "kind"]]
"""Fields that can be replaced by those of another request."""


@st.composite
def operating_points(draw: st.DrawFn, *rules: str) -> OperatingPoint:
    """Rules with the settings that they can have."""
    key = draw(st.sampled_from(rules))
    chosen_on = (
        draw(SETS) if key in ("recall", "specificity", "precision", "accuracy", "share", "error") else ""
    )
    confidence = draw(st.sampled_from([0.9, 0.95])) if key == "error" else None
    if key == "probability" and draw(st.booleans()):
        return OperatingPoint(key, 0.3, by_class=(("cat", 0.3), ("dog", 0.5)))  # a file has one such rule
    return OperatingPoint(key, draw(LEVEL), chosen_on, confidence)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Requests of each section, under the conditions that they can have."""
    kind = draw(st.sampled_from(["dimensions", "classes", "not_as", "answers", "parity"]))
    if kind == "dimensions":
        request = Request(draw(st.sampled_from(["accuracy", "size"])), draw(st.sampled_from([VALUE, TOP5])))
        request = replace(request, epsilon=draw(st.sampled_from([None, Fraction(4, 255), Fraction(1, 2)])))
    elif kind == "classes":
        target = draw(st.sampled_from([*TARGETS]))
        number = draw(st.sampled_from([*CLASS_NUMBERS.values()]))
        request = Request("classes", number, target, TARGETS[target], prevalence=draw(st.none() | LEVEL))
        at = operating_points("probability", "recall", "specificity", "precision")
        request = replace(request, at=draw(st.none() | at))
    elif kind == "not_as":
        one, other = draw(st.permutations(["cat", "dog", "cat|dog"]))[:2]
        number = CLASS_NUMBERS["confusion"]
        request = Request("classes", number, one, TARGETS[one], mistaken_for=other, others=TARGETS[other])
    elif kind == "answers":
        at = draw(operating_points("probability", "error", "accuracy", "share", *SCORES))
        score = SCORES.get(at.rule) or draw(st.sampled_from(["max_probability", "margin", "energy"]))
        score = "max_probability" if at.rule == "probability" else score
        request = Request("answers", draw(st.sampled_from([*ANSWER_NUMBERS.values()])), at=at, score=score)
    else:
        request = Request("parity", draw(st.sampled_from([*PARITY_NUMBERS.values()])))
    request = replace(request, set=draw(SETS), pipeline=draw(st.sampled_from(["", "app", "b"])))
    slices = st.tuples(st.sampled_from(COLUMNS), st.sampled_from(["worst", "gap"]))
    slices |= st.tuples(st.sampled_from(VALUES), st.just("value"))
    name, of_slices = draw(st.just(("", "value")) | slices)
    return replace(request, slice=name, kind=of_slices)


def name_of(request: Request) -> str:
    return target_name(request.dimension, request.part)


@pytest.mark.parametrize("condition", sorted(STATED | {"score", "slice", "kind"}))
def test_each_condition_is_drawn(condition: str) -> None:
    default = next(field.default for field in fields(Request) if field.name == condition)
    many = settings(derandomize=True, max_examples=1000)
    find(requests(), lambda one: getattr(one, condition) != default, settings=many)
    assert condition in chain(*CONDITIONS)


@given(requests(), requests(), st.sampled_from(CONDITIONS))
def test_requests_have_one_name_if_they_are_equal(one: Request, other: Request, condition: list[str]) -> None:
    """Of any two, and of two that differ in one condition."""
    near = replace(one, **{name: getattr(other, name) for name in condition})
    for second in (other, near):
        assert (name_of(one) == name_of(second)) == (one == second)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("dimensions: {accuracy: {min: 0.5}}", "dimensions: {accuracy: [{set: clean, min: 50%}]}"),
        (
            "dimensions: {adversarial_robustness: {epsilon: 0.5, min: 0.5}}",
            "dimensions: {adversarial_robustness: {epsilon: 128/256, min: 0.5}}",
        ),
        (
            "classes: {cat|dog: {recall: {min: 0.5}, at: {probability: 0.3}, set: night}}",
            "classes: {'dog | cat, tom': {set: [night], at: {probability: 3e-1}, recall: {min: 0.5}}}",
        ),
        (
            "answers: {at: {probability: {cat: 0.3, default: 0.5}}, share: {min: 0.5}}",
            "answers: {at: {probability: {j: 0.5, i: 0.5, default: 0.5, cat: 0.3}}, share: {min: 0.5}}",
        ),
        (
            "answers: {at: {error: 0.1}, share: {min: 0.5}, aurc: {max: 0.5}}",
            "answers: {at: {score: max_probability, error: 0.1, confidence: 0.95}, share: {min: 0.5}, "
            "aurc: {max: 0.5}}",
        ),
    ],
)
def test_defaults_and_order_have_no_influence(text: str, same: str) -> None:
    one, other = (
        [(row.name, row.request) for row in thresholds(each, SUITE).demands] for each in (text, same)
    )
    assert one == other
