"""From a folder of images to a judged model: `quba-check init`, then the gate, with nothing edited."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from acceptance.runs import NINE

from quba_check.cli.main import main


def test_what_init_writes_is_judged(judge, tiny_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(tiny_data, judge.pytester.path / "data")
    (judge.pytester.path / "data/quba-data.yaml").unlink()
    assert main(["init", "data"]) == 0
    names = "clean, corruptions, night, sketch, mixed_same, mixed_rand, cue_conflict"
    assert f"data/quba-data.yaml: 3 classes; {names}\n" in capsys.readouterr().out
    result = judge("--quba-data=data", "--quba-report=record.json")
    assert result.ret in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED), result.errlines
    expected = {f"{name}[{'max' if name == 'calibration_error' else 'min'}]" for name in NINE}
    assert judge.outcomes().keys() == expected - {"parameters[min]"}
    assert set(judge.outcomes().values()) <= {"pass", "fail"}
    sets = judge.record()["suite"]["sets"]
    assert all(row["images"] == row["expected"] for name, row in sets.items() if name != "corruptions")
    assert set(judge.passes()) <= {"forward"}, "images of the same content are not predicted again"
