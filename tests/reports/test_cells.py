"""Texts of demands from messages as the gate writes them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.gated import CALIBRATION, CORRUPTION, corruption
from support.tuned import record

from quba_check.core.confidence import SCORES, ConfidenceCurve
from quba_check.core.measurement import Drop
from quba_check.demands.demand import Demand, Policy
from quba_check.records.verdict import Bound, VerdictRow
from quba_check.reports.cells import DemandCells, demand_cells
from quba_check.verdicts import decide
from quba_check.verdicts.explanation import verdict_row


def drop(value: float, error: float, *, unit: str = "ratio", **changes: object) -> Drop:
    curve = ConfidenceCurve(tuple(value + score * error for score in SCORES))
    loss = Drop(value, unit, 500, curve, before=0.66, after=0.62, baseline="old (v2).json", paired=True)
    return replace(loss, **changes)


def cells(demand: Demand, evidence: Drop, policy: Policy | None = None) -> DemandCells:
    verdict = decide(demand, evidence, policy or Policy("point", 0.95))
    return demand_cells(verdict_row(verdict, "t.yaml::x"), record())


@pytest.mark.parametrize(
    ("bound", "limit", "policy", "gap"),
    [
        ("max_drop", 0.01, "point", "drop 0.0400 is above 0.0100 (over by 0.0300)"),
        ("max_relative_drop", 0.01, "point", "relative drop 0.0400 is above 0.0100 (over by 0.0300)"),
        ("max_drop", 0.05, "fail", "drop 0.0400 is not shown to be at most 0.0500"),
        ("max_drop", 0.05, "point", ""),
    ],
)
def test_a_drop_has_the_words_of_its_verdict(bound: Bound, limit: float, policy: str, gap: str) -> None:
    found = cells(replace(CORRUPTION, bound=bound, threshold=limit), drop(0.04, 0.02), Policy(policy, 0.9))
    sign = "relative drop" if bound == "max_relative_drop" else "drop"
    gap = gap and f"corruption_robustness {gap}"
    assert found == DemandCells(f"{sign} <= {limit}", gap=gap or "-", has_reason=bool(gap))


def test_a_higher_error_is_a_worsening() -> None:
    demand = replace(CALIBRATION, bound="max_drop", threshold=0.01)
    found = cells(demand, drop(0.04, 0.02, unit="fraction"))
    assert (found.bound, found.gap) == (
        "worsening <= 0.01",
        "calibration_error worsening 0.0400 is above 0.0100 (over by 0.0300)",
    )


def test_a_drop_without_baseline() -> None:
    verdict = decide(replace(CORRUPTION, bound="max_drop", threshold=0.1), drop(0.2, 0.01))
    message = "corruption_robustness drop could not be measured: there is no baseline"
    fields = verdict_row(verdict, "t.yaml::x").model_dump(exclude={"explanation"})
    row = VerdictRow(**fields | {"outcome": "unmeasurable", "message": message})  # as in an older record
    assert demand_cells(row, record()).gap == "there is no baseline"


def test_a_demand_without_a_stored_value() -> None:
    row = verdict_row(decide(CORRUPTION, corruption(0.6)), "t.yaml::x")
    assert (row.outcome, demand_cells(row, record(measurements={}))) == ("pass", DemandCells(">= 0.5"))
