"""Requests: one name for each combination of conditions."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.requests import answer_request, class_request, confusion, parity_request, served, value

from quba_check.core.request import OperatingPoint, Request, name_on_slices

ON_FOG = replace(
    class_request("tb", (1,), "recall", "fog", OperatingPoint("probability", 0.3)), pipeline="app"
)
NAMES = {
    value("accuracy"): None,
    value("accuracy", "top5"): "top5",
    replace(value("accuracy"), set="fog"): "@set=fog",
    replace(value("calibration_error", "ece"), set="fog"): "ece@set=fog",
    replace(value("adversarial_robustness", "pgd"), epsilon=Fraction(4, 255)): "pgd@epsilon=4/255",
    replace(value("accuracy"), slice="light=night"): "@slice=light=night",
    replace(value("accuracy"), slice="light", kind="gap"): "@slice=light:gap",
    replace(ON_FOG, pipeline="app", slice="site", kind="worst"): (
        "tb.recall@probability=0.3,set=fog,pipeline=app,slice=site:worst"
    ),
    class_request("tb", (1,), "npv", at=OperatingPoint("recall", 1 / 3, "tuning"), prevalence=0.02): (
        "tb.npv@recall=0.333333333333333,from=tuning,prevalence=0.02"
    ),
    confusion("cat", (0,), "dog", (1,)): "not_as.cat.dog",
    answer_request("share", error=0.05): "share@error=0.05,confidence=0.95",
    answer_request("aurc", "energy"): "aurc@score=energy",
    answer_request("share", "energy", 2.0): "share@energy=2",
    replace(answer_request("share"), at=OperatingPoint("probability", 0.5, by_class=(("cat", 0.5),))): (
        "share@probability=per_class"
    ),
    parity_request("agreement", "fog"): "agreement@set=fog",
    served("app", "agreement"): "agreement@pipeline=app",
}


@pytest.mark.parametrize(("request_", "name"), NAMES.items())
def test_names(request_: Request, name: str | None) -> None:
    assert request_.part == name
    plain = request_.on_all_images
    assert (plain.slice, plain.kind) == ("", "value")
    assert request_.is_further_part == (
        request_.dimension in ("classes", "answers", "parity") or "@" in plain.name
    )
    assert request_.better == ("low" if request_.kind == "gap" else request_.number.better)


def test_a_margin_needs_all_probabilities_also_without_a_threshold() -> None:
    assert answer_request("aurc", "margin").needs_probabilities
    assert not answer_request("aurc").needs_probabilities


TEXTS = st.text("ab:@\\ é", min_size=1, max_size=6)


@given(TEXTS, TEXTS, st.sampled_from(["value", "worst", "gap"]), st.sampled_from(["value", "worst", "gap"]))
def test_slices_with_different_values_have_different_names(one: str, other: str, kind: str, end: str) -> None:
    """Also a value that ends as the name of a column's worst slice does."""
    first, second = (name_on_slices("", f"s={text}", which) for text, which in ((one, kind), (other, end)))
    assert (first == second) == ((one, kind) == (other, end))
