"""`quba_check.judge`: the record of the command, without pytest and without workers."""

import json

import pytest
from acceptance.runs import Judge, same_findings

import quba_check

DROPS = "schema: 1\nuncertain: fail\ndimensions: {accuracy: {max_drop: 0.01, max_relative_drop: 2%}}\n"


def test_the_record_is_that_of_the_command(judge: Judge, capfd: pytest.CaptureFixture[str]) -> None:
    assert judge("thresholds/x.yaml", "--quba-record=command.json").ret == pytest.ExitCode.OK
    capfd.readouterr()
    record = quba_check.judge("nets:net", thresholds="thresholds/x.yaml", record="python.json")
    assert capfd.readouterr() == ("", "")
    assert same_findings(judge.record("python.json"), judge.record("command.json"))
    assert same_findings(json.loads(record.to_json()), judge.record("command.json"))
    assert (judge.root / "python.npz").exists()
