"""Demands that are not met, or without data, in each tier."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from acceptance.runs import Judge

UNMET = "schema: 1\ndimensions:\n  accuracy: {min: 0.5}\n  shape_bias: {min: 0.9, tier: TIER}\n"


def labels(result: pytest.RunResult) -> list[str]:
    """The verdicts in the lines of the finished dimensions."""
    start = result.outlines.index("thresholds/x.yaml ")
    return [line.partition(">= ")[2].split()[1] for line in result.outlines[start + 1 : start + 3]]


def last_line(result: pytest.RunResult) -> str:
    return re.sub(r" in [\d.]+s", "", result.outlines[-1].strip("= "))


@pytest.mark.parametrize(
    ("tier", "code", "shown", "summary", "heading"),
    [
        ("block", 1, "FAIL", "1 failed, 1 passed", "Failed:"),
        ("warn", 0, "WARN", "1 passed, 1 warned", "Warned:"),
        ("info", 0, "INFO", "2 passed", "For information:"),
    ],
)
def test_an_unmet_demand(judge: Judge, tier: str, code: int, shown: str, summary: str, heading: str) -> None:
    judge.write("thresholds/x.yaml", UNMET.replace("TIER", tier))
    result = judge("thresholds/x.yaml", "--quba-report=record.json", "--junitxml=junit.xml")
    assert (result.ret, labels(result), last_line(result)) == (code, ["PASS", shown], summary)
    assert judge.outcomes() == {"accuracy[min]": "pass", "shape_bias[min]": "fail"}
    at = result.outlines.index(heading)
    assert result.outlines[at + 1] == "  shape_bias 0.200 is below 0.900 (short by 0.700)"
    assert f'failures="{code}"' in (judge.pytester.path / "junit.xml").read_text()


@pytest.fixture
def without_cues(judge: Judge, tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny suite without the set behind shape_bias."""
    data = judge.pytester.path / "data"
    shutil.copytree(tiny_data, data)
    shutil.rmtree(data / "cc")
    monkeypatch.setenv("QUBA_DATA", str(data))
    return data


@pytest.mark.parametrize(
    ("key", "code", "shown", "outcome", "words"),
    [
        ("tier: block", 1, "FAIL", "unmeasurable", "could not be measured"),
        ("optional: true", 0, "SKIP", "skipped", "was skipped"),
    ],
)
def test_missing_data(
    judge: Judge, without_cues: Path, key: str, code: int, shown: str, outcome: str, words: str
) -> None:
    judge.write("thresholds/x.yaml", UNMET.replace("tier: TIER", key))
    result = judge("thresholds/x.yaml", "--quba-report=record.json")
    assert (result.ret, labels(result)) == (code, ["PASS", shown])
    (_, verdict) = judge.record()["verdicts"]
    reason = f"the set 'cue_conflict' is missing: looked for {without_cues}/cc"
    assert (verdict["outcome"], verdict["message"].splitlines()[0]) == (
        outcome,
        f"shape_bias {words}: {reason}",
    )
    assert judge.record()["measurements"]["shape_bias"] == {"unmeasurable": reason, "missing_data": True}


def test_a_grade_without_all_nine_names_what_is_missing(judge: Judge, without_cues: Path) -> None:
    judge.write("thresholds/x.yaml", "schema: 1\nquba: {min_grade: F}\n")
    result = judge("thresholds/x.yaml", "--quba-report=record.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (verdict,) = judge.record()["verdicts"]
    assert verdict["message"].splitlines()[0] == (
        "quba.grade could not be measured: not graded: missing shape_bias"
    )
