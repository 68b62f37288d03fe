"""Demands that are not met, or without data, in each tier."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from acceptance.runs import Judge

UNMET = "schema: 1\ndimensions:\n  accuracy: {min: 0.5}\n  shape_bias: {min: 0.9, tier: TIER}\n"


def letters(result: pytest.RunResult) -> str:
    (line,) = (line for line in result.outlines if line.startswith("thresholds/x.yaml "))
    return line.split()[1]


def last_line(result: pytest.RunResult) -> str:
    return re.sub(r" in [\d.]+s", "", result.outlines[-1].strip("= "))


def test_block_fails(judge: Judge) -> None:
    judge.write("thresholds/x.yaml", UNMET.replace("TIER", "block"))
    result = judge("thresholds/x.yaml")
    assert (result.ret, letters(result)) == (pytest.ExitCode.TESTS_FAILED, ".F")
    assert last_line(result) == "1 failed, 1 passed"


def test_warn_passes_and_is_counted_apart(judge: Judge) -> None:
    judge.write("thresholds/x.yaml", UNMET.replace("TIER", "warn"))
    result = judge("thresholds/x.yaml", "--quba-report=record.json", "--junitxml=junit.xml")
    assert (result.ret, letters(result)) == (pytest.ExitCode.OK, ".w")
    assert last_line(result) == "1 passed, 1 warned"
    assert judge.outcomes() == {"accuracy[min]": "pass", "shape_bias[min]": "fail"}
    at = result.outlines.index("Warned:")
    assert result.outlines[at + 1] == "  shape_bias 0.200 is below 0.900 (short by 0.700)"
    assert "1 of 2 demands passed, 1 warned" in result.outlines
    assert 'failures="0"' in (judge.pytester.path / "junit.xml").read_text()


def test_info_passes(judge: Judge) -> None:
    judge.write("thresholds/x.yaml", UNMET.replace("TIER", "info"))
    result = judge("thresholds/x.yaml", "--quba-report=record.json")
    assert (result.ret, letters(result)) == (pytest.ExitCode.OK, "..")
    assert last_line(result) == "2 passed"
    assert judge.outcomes() == {"accuracy[min]": "pass", "shape_bias[min]": "fail"}
    assert "For information:" in result.outlines


@pytest.fixture
def without_cues(judge: Judge, tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny suite without the set behind shape_bias."""
    data = judge.pytester.path / "data"
    shutil.copytree(tiny_data, data)
    shutil.rmtree(data / "cc")
    monkeypatch.setenv("QUBA_DATA", str(data))
    return data


def test_missing_data_fail(judge: Judge, without_cues: Path) -> None:
    judge.write("thresholds/x.yaml", UNMET.replace("TIER", "block"))
    result = judge("thresholds/x.yaml", "--quba-report=record.json")
    assert (result.ret, letters(result)) == (pytest.ExitCode.TESTS_FAILED, ".F")
    (_, verdict) = judge.record()["verdicts"]
    reason = f"the set 'cue_conflict' is missing: looked for {without_cues}/cc"
    assert verdict["outcome"] == "unmeasurable"
    assert verdict["message"].splitlines()[0] == f"shape_bias could not be measured: {reason}"
    assert judge.record()["measurements"]["shape_bias"] == {"unmeasurable": reason, "missing_data": True}


def test_missing_data_of_an_optional_demand_skip(judge: Judge, without_cues: Path) -> None:
    judge.write("thresholds/x.yaml", UNMET.replace("tier: TIER", "optional: true"))
    result = judge("thresholds/x.yaml", "--quba-report=record.json")
    assert (result.ret, letters(result)) == (pytest.ExitCode.OK, ".s")
    assert last_line(result) == "1 passed, 1 skipped"
    assert judge.outcomes() == {"accuracy[min]": "pass", "shape_bias[min]": "skipped"}


def test_a_grade_without_all_nine_names_what_is_missing(judge: Judge, without_cues: Path) -> None:
    judge.write("thresholds/x.yaml", "schema: 1\nquba: {min_grade: F}\n")
    result = judge("thresholds/x.yaml", "--quba-report=record.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (verdict,) = judge.record()["verdicts"]
    assert verdict["message"].splitlines()[0] == (
        "quba.grade could not be measured: not graded: missing shape_bias"
    )
