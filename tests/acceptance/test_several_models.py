"""Several models in one run."""

import pytest
from acceptance.runs import CLEAN_IMAGES, Judge, examined

DEMANDS = "schema: 1\ndimensions: {accuracy: {min: 0.5}, object_focus: {min: 0.1}}\n"
MIXED_IMAGES = 12


@pytest.mark.usefixtures("without_stored_check")
def test_each_is_measured_judged_and_recorded(judge_cold: Judge) -> None:
    judge_cold.write("thresholds/x.yaml", DEMANDS)
    options = ("--model=nets:other", "--quba-record=record.json", "--quba-classes", "-v")
    result = judge_cold("thresholds/x.yaml", *options)
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        [
            "thresholds/x.yaml::object_focus[[]min-nets:other] PASSED*",
            "thresholds/x.yaml::object_focus[[]min-nets:net] PASSED*",
            "*= quba-check nets:other =*",
            "*= quba-check nets:net =*",
        ]
    )
    assert result.outlines.count("recall, with its 95 % interval, and precision of each class:") == 2
    assert judge_cold.passes() == {"forward": 2 * (CLEAN_IMAGES + MIXED_IMAGES + examined())}
    for name in ("net", "other"):
        record = judge_cold.record(f"record-nets-{name}-standard.json")
        assert record["model"]["name"] == f"nets:{name}"
        assert {row["id"].endswith(f"-nets:{name}]") for row in record["verdicts"]} == {True}
        measured = {name for name, row in record["measurements"].items() if "value" in row}
        assert measured == {"accuracy", "object_focus", "classes"}

    one = judge_cold("thresholds/x.yaml::accuracy[min-nets:other]", "--model=nets:other", "-v")
    one.assert_outcomes(passed=1)
