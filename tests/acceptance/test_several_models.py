"""Several models in one run."""

from __future__ import annotations

import pytest
from acceptance.runs import CLEAN_IMAGES, NINE, PGD_PASSES, Judge, closed_form


def test_each_is_measured_judged_and_recorded(judge: Judge) -> None:
    result = judge(
        "thresholds/x.yaml", "--model=nets:other", "--quba-report=record.json", "--quba-classes", "-v"
    )
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=26)
    result.stdout.fnmatch_lines(
        [
            "thresholds/x.yaml::corruption_robustness.fog[[]min-nets:other] PASSED*",
            "thresholds/x.yaml::corruption_robustness.fog[[]min-nets:net] PASSED*",
            "*= quba-check nets:other =*",
            "*= quba-check nets:net =*",
        ]
    )
    assert result.outlines.count("recall, with its 95 % interval, and precision of each class:") == 2
    # The store has the predictions of nets:net alone; PGD takes other passes for nets:other.
    most, fewest = 10 * CLEAN_IMAGES, closed_form(runs=2)["forward"] - PGD_PASSES[0] + CLEAN_IMAGES
    assert fewest <= judge.passes()["forward"] <= fewest + most
    for name in ("net", "other"):
        record = judge.record(f"record-nets-{name}-standard.json")
        assert record["model"]["name"] == f"nets:{name}"
        assert {row["id"].endswith(f"-nets:{name}]") for row in record["verdicts"]} == {True}
        assert ["value" in record["measurements"][dimension] for dimension in NINE] == [True] * 9

    one = judge("thresholds/x.yaml::accuracy[min-nets:other]", "--model=nets:other", "-v")
    one.assert_outcomes(passed=1)
