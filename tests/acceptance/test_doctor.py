"""The doctor before a gate run: printed first, noted in the record, without effect on verdicts."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from acceptance.runs import CLEAN_IMAGES, Judge, Project, closed_form, examined
from support.tiny import write_suite

GATE = "schema: 1\ndimensions: {accuracy: {min: 0.1}, parameters: {max: 1}}\n"
PRINTED = (
    r"doctor: nets:LooksAlongTheBatch: an image's answer depends on the rest of its batch\. "
    r"evidence: in another batch, answers change by up to [\d.]+% of their range, no label changes "
    r"fix: compute each image on its own: nothing in forward\(\) may combine values along the batch"
)
NOTE = (
    "doctor: nets:LooksAlongTheBatch: an image's answer depends on the rest of its batch. Fix: "
    "compute each image on its own: nothing in forward() may combine values along the batch."
)


@pytest.fixture
def gate(judge_cold: Judge) -> Judge:
    judge_cold.write("thresholds/x.yaml", GATE)
    return judge_cold


def test_a_finding_is_printed_and_noted_and_changes_no_exit_code(gate: Judge) -> None:
    result = gate("thresholds/x.yaml", "--quba-report=record.json", model="nets:LooksAlongTheBatch")
    assert result.ret == pytest.ExitCode.OK
    assert re.fullmatch(PRINTED, printed_findings(result)), printed_findings(result)
    assert max(map(len, result.outlines[:10])) <= 80
    assert gate.record()["notes"] == [NOTE]
    assert gate.outcomes() == {"accuracy[min]": "pass", "parameters[max]": "pass"}


def test_a_healthy_model_has_no_findings(gate: Judge) -> None:
    result = gate("thresholds/x.yaml", "--quba-report=record.json")
    assert printed_findings(result) == ""
    assert gate.record()["notes"] == []
    assert gate.passes() == {"forward": CLEAN_IMAGES + examined()}


def test_broken_images_are_reported_until_they_are_replaced(gate: Judge, tmp_path: Path, monkeypatch) -> None:
    data = write_suite(tmp_path / "own")
    monkeypatch.setenv("QUBA_DATA", str(data))
    image = data / "night" / "apple" / "000.png"
    whole = image.read_bytes()
    image.write_bytes(b"no image")
    assert printed_findings(gate("thresholds/x.yaml")) == (
        "doctor: night: 1 of 6 checked images cannot be decoded. "
        "evidence: night/apple/000.png (no image format recognises it) "
        "fix: replace or remove the files"
    )
    image.write_bytes(whole)
    assert printed_findings(gate("thresholds/x.yaml")) == ""


def test_demands_without_images_cost_no_pass(gate: Judge) -> None:
    gate.write("thresholds/x.yaml", "schema: 1\ndimensions: {parameters: {max: 1}}\n")
    assert gate("thresholds/x.yaml").ret == pytest.ExitCode.OK
    assert gate.passes() == {}


def test_a_missing_set_is_printed_and_noted_only_in_its_verdict(
    gate: Judge, tmp_path: Path, monkeypatch
) -> None:
    data = write_suite(tmp_path / "own")
    monkeypatch.setenv("QUBA_DATA", str(data))
    (data / "night").rename(data / "nights")
    gate.write("thresholds/x.yaml", "schema: 1\ndimensions: {ood_robustness: {min: 0.1}}\n")
    result = gate("thresholds/x.yaml", "--quba-report=record.json")
    assert printed_findings(result) == (
        "doctor: ood_robustness cannot be measured: the set 'night' is missing: looked for "
        f"{data / 'night'}. evidence: demanded by thresholds/x.yaml:2 "
        "fix: add the images, or remove the demand, or set `optional: true` on it"
    )
    assert gate.record()["notes"] == []


def test_workers_do_not_examine_again(tmp_path: Path, tiny_data: Path) -> None:
    project = Project.at(tmp_path / "project", tiny_data)
    finished = project.run("-n2", "-q")
    assert finished.code == 0, finished.out
    assert "doctor" not in finished.out
    assert project.passes() == closed_form()


def printed_findings(result: pytest.RunResult) -> str:
    """Return the findings printed before the session, on one line, without progress lines."""
    start = next(k for k, line in enumerate(result.outlines) if "test session starts" in line)
    lines = itertools.dropwhile(lambda line: not line.startswith("doctor: "), result.outlines[:start])
    return " ".join(" ".join(line for line in lines if not line.startswith("quba-check: ")).split())
