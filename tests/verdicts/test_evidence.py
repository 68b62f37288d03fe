"""Evidence on the demands of a file: found once, and only where a verdict depends on it."""

from dataclasses import replace

import pytest
from support.gated import CALIBRATION, CORRUPTION, noisy

from quba_check.demands import Demand
from quba_check.demands.demand import Policy
from quba_check.verdicts import Judged
from quba_check.verdicts.evidence import Evidence

OTHERS = (CALIBRATION, replace(CALIBRATION, bound="min", tier="warn"))


@pytest.mark.parametrize(
    ("uncertain", "found"), [("point", [CORRUPTION]), ("allow", [CORRUPTION, CALIBRATION])]
)
def test_other_blocking_demands_are_read_once_and_under_allow(uncertain: str, found: list[Demand]) -> None:
    asked: list[Demand] = []

    def find(demand: Demand) -> Judged:
        asked.append(demand)
        return replace(noisy(0.4, 0.01), dimension=demand.dimension)

    evidence = Evidence((CORRUPTION, *OTHERS), find)
    policy = Policy(uncertain)  # type: ignore[arg-type]  # a parameter of the test
    first = evidence.verdict(CORRUPTION, policy)
    assert first.outcome == "fail"
    assert evidence.verdict(CORRUPTION, policy) == first
    assert asked == found
