"""The command: the gate's options, exit codes, and output."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.tiny import write_models, write_suite
from syrupy.assertion import SnapshotAssertion

from quba_check.cli.main import main
from quba_check.doctor.examination import EXAMINATIONS, Examination

GATE = """\
schema: 1
dimensions:
  accuracy: {min: 0.1}
  ood_robustness: {min: 0.1}
  shape_bias: {min: 0.1, optional: true}
"""
NETS = "doctors_models"
STATEFUL = f"{NETS}:a_buffer_that_counts"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_suite(tmp_path / "data")
    write_models(tmp_path, NETS)
    (tmp_path / "g.yaml").write_text(GATE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def doctor(*arguments: str, model: str = "net") -> int:
    return main(["doctor", "g.yaml", "--data=data", "--store=store", f"--model={NETS}:{model}", *arguments])


def test_a_healthy_model_gets_its_setup_one_line_and_0(here, capsys, snapshot: SnapshotAssertion) -> None:
    assert doctor() == 0
    assert capsys.readouterr() == (snapshot, "")


@pytest.mark.parametrize("model", ["a_buffer_that_counts", "four_classes"])
def test_an_unhealthy_model_gets_problem_evidence_fix_and_1(
    here, capsys, model: str, snapshot: SnapshotAssertion
) -> None:
    assert doctor(model=model) == 1
    assert capsys.readouterr() == (snapshot, "")


def test_json_has_the_examination_and_its_findings(here, capsys, snapshot: SnapshotAssertion) -> None:
    assert doctor("--json", model="a_buffer_that_counts") == 1
    examinations = json.loads(capsys.readouterr().out)
    (examination,) = examinations
    machine = {"root": "DIR", "device": "DEVICE", "checks": []}
    assert examination | machine == snapshot
    assert examination["root"] == str(here / "data")
    assert examination["checks"][:3] == ["sets", "images", "steadiness"]
    assert EXAMINATIONS.validate_python(examinations)[0].is_healthy is False


@pytest.mark.parametrize("value", ["--order", "--order=names.txt"])
def test_the_order_is_estimated_or_read(here, capsys, monkeypatch, value) -> None:
    seen = {}

    def examinations(*_arguments, **options):
        seen.update(options)
        return iter(())

    monkeypatch.setattr("quba_check.gate.preflight.examinations", examinations)
    (here / "names.txt").write_text("apple\n\n cloud\n", encoding="utf-8")
    assert doctor(value) == 0
    expected = {"estimate_order": True} if value == "--order" else {"order": ["apple", "cloud"]}
    assert seen == {"short": False, **expected}


def test_what_the_time_left_out_is_said(here, capsys, monkeypatch, snapshot: SnapshotAssertion) -> None:
    monkeypatch.setattr("quba_check.doctor.examination.SECONDS", 0)
    assert doctor() == 6
    assert capsys.readouterr() == (snapshot, "")


def test_the_settings_of_pytest_are_read_as_in_a_run(here, capsys) -> None:
    (here / "old.json").write_text("of an earlier run", encoding="utf-8")
    settings = f"addopts = --model={NETS}:net g.yaml -x\nquba_data = data\nquba_report = old.json\n"
    (here / "pytest.ini").write_text(f"[pytest]\n{settings}", encoding="utf-8")
    assert main(["doctor", "--store=store"]) == 0
    assert "healthy" in capsys.readouterr().out
    assert (here / "old.json").read_text(encoding="utf-8") == "of an earlier run"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("", "--model: is missing. Name the model, here or in addopts of pytest.ini."),
        ("addopts = --quba-dat=x --model=y", "pytest.ini: unrecognized arguments: --quba-dat=x."),
    ],
)
def test_settings_that_cannot_be_used(here, capsys, settings: str, message: str) -> None:
    (here / "pytest.ini").write_text(f"[pytest]\n{settings}\n", encoding="utf-8")
    assert main(["doctor"]) == 4
    assert capsys.readouterr() == ("", f"ERROR: {message}\n")


def test_a_command_of_the_gate_can_be_repeated(here, capsys) -> None:
    arguments = ["--quba-data=data", "--quba-store=store", "--quba-report=r.json", "--quba-workers=1"]
    assert main(["doctor", "g.yaml", f"--model={NETS}:net", *arguments]) == 0
    assert "healthy" in capsys.readouterr().out
    assert not (here / "r.json").exists()


def test_several_models_and_threshold_files(here, capsys) -> None:
    (here / "h.yaml").write_text("schema: 1\ndimensions: {object_focus: {min: 0.5}}\n", encoding="utf-8")
    shutil.rmtree(here / "data" / "mixed_same")
    assert doctor("--thresholds=h.yaml", f"--model={NETS}:other") == 1
    out = " ".join(capsys.readouterr().out.split())
    problem = f"object_focus cannot be measured: the set 'mixed_same' is missing: looked for {here}"
    assert out.count(problem) == 2
    assert "evidence: demanded by h.yaml:2 fix: add the images" in out
    assert [f"{NETS}:{name} on tiny: 1 problem" in out for name in ("net", "other")] == [True, True]


@pytest.mark.parametrize(
    "words", ["--model=demo-textured --data=data", f"--model={NETS}:net --data=data --order=none.txt"]
)
def test_invalid_options_exit_with_4_and_one_line(
    here, capsys, words: str, snapshot: SnapshotAssertion
) -> None:
    assert main(["doctor", *words.split()]) == 4
    assert capsys.readouterr() == ("", snapshot)


def test_the_schema_is_printed(capsys) -> None:
    assert main(["schema", "doctor"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["type"] == "array"
    assert set(schema["$defs"]["Examination"]["properties"]) == set(
        Examination.model_json_schema()["properties"]
    )
