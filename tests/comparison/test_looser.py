"""Demands that are gone or looser than those of an earlier run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.gated import CALIBRATION, CORRUPTION, LETTER

from quba_check.comparison.looser import looser_demands
from quba_check.demands.demand import POINT, Policy
from quba_check.records.verdict import VerdictRow

WORST = replace(CORRUPTION, request=replace(CORRUPTION.request, slice="light", kind="worst"))
DAY = replace(CORRUPTION, request=replace(CORRUPTION.request, slice="light=day"))


def row(demand: Any = CORRUPTION, policy: Policy = POINT, **changed: Any) -> VerdictRow:
    return replace(demand, **changed).verdict_row("x", "not run", policy=policy)


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (row(), row(threshold=0.4), "corruption_robustness[min] >= 0.4 (was 0.5)"),
        (row(CALIBRATION), row(CALIBRATION, threshold=0.02), "calibration_error[max] <= 0.02 (was 0.01)"),
        (
            row(bound="max_drop"),
            row(bound="max_drop", threshold=0.6),
            "corruption_robustness[max_drop] drop <= 0.6 (was 0.5)",
        ),
        (row(LETTER), row(LETTER, threshold="D"), "quba.grade[min] >= D (was C)"),
        (row(), row(tier="warn"), "corruption_robustness[min] tier warn (was block)"),
        (row(), row(optional=True), "corruption_robustness[min] optional: true (was false)"),
        (row(), row(allow_masked=True), "corruption_robustness[min] allow_masked: true (was false)"),
        (row(policy=Policy("fail")), row(), "corruption_robustness[min] uncertain: point (was fail)"),
        (row(), row(policy=Policy("allow")), "corruption_robustness[min] uncertain: allow (was point)"),
        (
            row(policy=Policy("fail", 0.99)),
            row(policy=Policy("fail", 0.95)),
            "corruption_robustness[min] confidence 0.95 (was 0.99)",
        ),
        (
            row(policy=Policy("allow", 0.95)),
            row(policy=Policy("allow", 0.99)),
            "corruption_robustness[min] confidence 0.99 (was 0.95)",
        ),
        (
            row(WORST, min_images=30),
            row(WORST, min_images=1000, min_groups=10),
            "corruption_robustness.slices.light.worst[min] min_images 1,000 (was 30), min_groups 10 (was 0)",
        ),
        (
            row(DAY, optional=True, min_images=30),
            row(DAY, optional=True, min_images=31),
            "corruption_robustness.slices.light=day[min] min_images 31 (was 30)",
        ),
        (
            row(DAY, min_images=30),
            row(DAY, min_images=29),
            "corruption_robustness.slices.light=day[min] min_images 29 (was 30)",
        ),
        (
            row(),
            row(threshold=0.4, tier="info"),
            "corruption_robustness[min] >= 0.4 (was 0.5), tier info (was block)",
        ),
        (row(), row(bound="max_drop"), "corruption_robustness[min] is gone (>= 0.5)"),
    ],
)
def test_looser_demands(before, after, text):
    assert looser_demands([before], [after]) == [text]
    same = [] if "gone" in text else looser_demands([after], [before])
    assert same == [], "the other way round it is stricter"


def test_one_of_several_files_may_be_looser():
    assert looser_demands([row(), row()], [row(threshold=0.1), row(threshold=0.5)]) == []
    assert looser_demands([row(), row()], []) == ["corruption_robustness[min] is gone (>= 0.5)"]


def test_older_records_do_not_state_what_was_optional():
    unknown = dict.fromkeys(("optional", "allow_masked", "min_images", "min_groups"))
    old = row().model_copy(update=unknown)
    assert looser_demands([old], [row(optional=True, allow_masked=True, min_images=9)]) == []


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from(["min", "max", "max_drop"]))
def test_a_demand_is_looser_if_some_value_meets_only_it(before, after, bound):
    rows = [row(bound=bound, threshold=before)], [row(bound=bound, threshold=after)]
    assert bool(looser_demands(*rows)) == (after < before if bound == "min" else after > before)
