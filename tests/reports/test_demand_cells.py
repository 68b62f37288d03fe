"""Texts of demands from messages as the gate writes them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.gated import CORRUPTION
from support.tuned import record

from quba_check.core.confidence import SCORES, ConfidenceCurve
from quba_check.core.drop import Drop
from quba_check.demands.demand import Demand
from quba_check.demands.policy import Policy
from quba_check.records.verdict import Bound
from quba_check.reports.demand_cells import DemandCells, demand_cells
from quba_check.verdicts import judge
from quba_check.verdicts.explanation import verdict_row


def drop(value: float, error: float, *, unit: str = "ratio", **changes: object) -> Drop:
    curve = ConfidenceCurve(tuple(value + score * error for score in SCORES))
    return replace(Drop(value, unit, 500, curve, 0.66, 0.62, "old (v2).json", paired=True), **changes)


def cells(demand: Demand, evidence: Drop, policy: Policy | None = None) -> DemandCells:
    verdict = judge(demand, evidence, policy or Policy("point", 0.95))
    return demand_cells(verdict_row(verdict, "t.yaml::x"), record())


@pytest.mark.parametrize("bound", ["max_drop", "max_relative_drop"])
def test_a_drop_above_its_bound(bound: Bound) -> None:
    demand = replace(CORRUPTION, bound=bound, threshold=0.01)
    sign = "relative drop" if bound == "max_relative_drop" else "drop"
    assert cells(demand, drop(0.04, 0.002)) == DemandCells(
        f"{sign} <= 0.01", "drop 0.0400", "0.0361..0.0439", "over by 0.0300", "from 0.660 to 0.620"
    )


def test_a_drop_that_is_not_shown_to_be_allowed() -> None:
    demand = replace(CORRUPTION, bound="max_drop", threshold=0.05)
    found = cells(demand, drop(0.04, 0.02), Policy("fail", 0.9))
    assert (found.value, found.interval, found.gap) == (
        "drop 0.0400",
        "0.0071..0.0729",
        "not shown to be met",
    )


def test_a_drop_in_millions() -> None:
    demand = replace(CORRUPTION, bound="max_drop", threshold=1.0, unit="millions", parts=())
    evidence = drop(3.5, 0, unit="millions", curve=None, n=None, before=5.0, after=8.5)
    assert cells(demand, evidence) == DemandCells(
        "drop <= 1", "drop 3.500 M", "-", "over by 2.500 M", "from 5.000 M to 8.500 M"
    )


def test_a_masked_drop_names_the_reason() -> None:
    demand = replace(CORRUPTION, bound="max_drop", threshold=1.0)
    found = cells(demand, drop(0.5, 0.1, masked=("zero gradients",)))
    assert (found.value, found.interval, found.has_reason) == ("drop 0.500", "-", True)
    assert found.gap == "corruption_robustness drop 0.500 is no evidence of robustness: zero gradients"


def test_a_drop_without_baseline() -> None:
    verdict = judge(replace(CORRUPTION, bound="max_drop", threshold=0.1), drop(0.2, 0.01))
    row = verdict_row(verdict, "t.yaml::x").model_copy(
        update={
            "outcome": "unmeasurable",
            "message": "corruption_robustness drop could not be measured: there is no baseline",
        }
    )
    assert demand_cells(row, record()).gap == "there is no baseline"
