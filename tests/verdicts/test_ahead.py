"""Warnings ahead: eroding baselines, waivers, and bounds far from the value."""

from datetime import date
from typing import Any

import pytest
from support.rows import verdict as row
from support.tuned import quantity, record

from quba_check.records.baselines import approved_values, demanded_values
from quba_check.verdicts.ahead import baseline_warnings, waiver_warnings, wide_bounds

DAY = date(2026, 6, 30)
WAIVER = {"by": "ann", "reason": "new data", "bound": 0.8}


def line(value: float, better: str = "high") -> dict[str, Any]:
    values = {"accuracy": {"value": value, "unit": "fraction", "better": better}}
    return {"time": f"{DAY}T00:00:00+00:00", "values": values}


@pytest.mark.parametrize(
    ("values", "better", "is_told"),
    [
        ([0.97, 0.96, 0.955, 0.954, 0.953, 0.95], "high", True),
        ([0.5, 0.97, 0.96, 0.955, 0.954, 0.953, 0.95], "high", True),
        ([0.96, 0.955, 0.954, 0.953, 0.95], "high", False),
        ([0.97, 0.96, 0.955, 0.955, 0.953, 0.95], "high", False),
        ([0.97, 0.96, 0.955, 0.954, 0.953, 0.95], "low", False),
        ([0.95, 0.953, 0.954, 0.955, 0.96, 0.97], "low", True),
    ],
)
def test_five_approvals_that_each_make_a_value_worse(values: list[float], better: str, is_told: bool) -> None:
    found = list(baseline_warnings("release", [line(value, better) for value in values], DAY))
    text = f"{values[-6]:.3f} to {values[-1]:.3f}" if is_told else ""
    told = [f"accuracy became worse in each of 5 approvals of release: {text}"]
    assert found == (told if is_told else [])


@pytest.mark.parametrize("gone", [{}, {"values": 3}, {"values": {"accuracy": None}}, {"values": [1]}])
def test_lines_without_values(gone: dict[str, Any]) -> None:
    lines = [line(0.97 - 0.01 * number) for number in range(6)]
    assert (
        list(baseline_warnings("release", [*lines[:3], {"time": lines[3]["time"], **gone}, *lines[4:]], DAY))
        == []
    )


@pytest.mark.parametrize(
    ("time", "age"), [("2026-04-01", 0), ("2026-03-31T23:00:00+00:00", 91), ("yesterday", 0), (None, 0)]
)
def test_an_old_baseline(time: str | None, age: int) -> None:
    told = [f"the baseline release is {age} days old. Approve the model that is in use"]
    assert list(baseline_warnings("release", [{"time": time}], DAY)) == (told if age else [])
    assert list(baseline_warnings("release", [], DAY)) == []


@pytest.mark.parametrize(
    ("until", "outcome", "text"),
    [
        ("2026-07-14", "waived", "the waiver of accuracy[min] ends in 14 days: "),
        ("2026-07-01", "not run", "the waiver of accuracy[min] ends in 1 day: "),
        ("2026-07-15", "waived", ""),
        ("2026-12-31", "pass", "accuracy[min] needs no waiver. Remove 'waive': "),
        ("2026-12-31", "skipped", ""),
    ],
)
def test_waivers(until: str, outcome: str, text: str) -> None:
    (waived,) = record(verdicts=[row(outcome=outcome, waiver=WAIVER | {"until": until})]).verdicts
    told = [f"{text}waived until {until} by ann: new data"]
    assert list(waiver_warnings([waived], DAY)) == (told if text else [])


@pytest.mark.parametrize(
    ("bound", "tier", "key", "is_told"),
    [(0.84, "block", "min", True), (0.86, "block", "min", False), (0.84, "warn", "min", False)],
)
def test_bounds_far_from_the_value(bound: float, tier: str, key: str, is_told: bool) -> None:
    verdicts = [row(bound=bound, outcome="pass", tier=tier, key=key)]
    measured = {"accuracy": quantity(0.9, 0.01, "fraction", better="high")}
    told = ["accuracy[min] by 0.060"]
    assert wide_bounds(record(verdicts=verdicts, measurements=measured)) == (told if is_told else [])
    dropped = [*verdicts, row(bound=0.01, outcome="pass", key="max_drop")]
    assert wide_bounds(record(verdicts=dropped, measurements=measured)) == []
    reported = [*verdicts, row(bound=0.01, outcome="fail", key="max_drop", tier="warn")]
    assert wide_bounds(record(verdicts=reported, measurements=measured)) == (told if is_told else [])


def test_values_of_demands_are_kept() -> None:
    verdicts = [
        row(outcome="pass"),
        row("corruption_robustness.fog", 0.1, "fail", key="max_drop"),
        row("size"),
    ]
    kept = demanded_values(record(verdicts=verdicts))
    read = approved_values({"values": kept})
    assert {name: (one.value, one.unit, one.better) for name, one in read.items()} == {
        "accuracy": (0.9, "fraction", "high"),
        "corruption_robustness.fog": (0.55, "ratio", "high"),
    }
