"""The result of a demand: warnings, and its JSON text."""

from __future__ import annotations

import pytest
from support.gated import CORRUPTION, corruption

from quba_check.gate.result import DemandResult
from quba_check.verdicts import decide
from quba_check.verdicts.explanation import verdict_row


def result(value: float, **changes: object) -> DemandResult:
    verdict = verdict_row(decide(CORRUPTION, corruption(value)), "x.yaml::corruption_robustness[min]")
    return DemandResult(model="net", protocol="standard", verdict=verdict.model_copy(update=changes))


@pytest.mark.parametrize(
    ("value", "tier", "warns"),
    [(0.6, "warn", False), (0.4, "warn", True), (0.4, "block", False), (0.4, "info", False)],
)
def test_only_a_missed_demand_of_tier_warn_warns(value: float, tier: str, warns: bool) -> None:
    assert result(value, tier=tier).warns is warns


def test_results_travel_as_json() -> None:
    sent = result(0.6).model_copy(update={"images": (b"\x00\xff", b""), "notes": ("a note",)})
    assert DemandResult.model_validate_json(sent.model_dump_json()) == sent
