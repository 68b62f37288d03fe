"""The command: the gate's options, exit codes, and output."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cli.conftest import Run
from support.tiny import copy_suite, write_models
from syrupy.assertion import SnapshotAssertion

from quba_check.doctor.examination import EXAMINATIONS

GATE = """\
schema: 1
dimensions:
  accuracy: {min: 0.1}
  ood_robustness: {min: 0.1}
  shape_bias: {min: 0.1, optional: true}
"""
NETS = "doctors_models"


@pytest.fixture
def here(run: Run, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy_suite(tiny_data, tmp_path / "data")
    write_models(tmp_path, NETS)
    (tmp_path / "g.yaml").write_text(GATE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.fixture
def doctor(here: Path, run: Run) -> Callable[..., tuple[int, str, str]]:
    """Run the command on a network."""

    def command(words: str = "", model: str = "net") -> tuple[int, str, str]:
        return run(f"doctor g.yaml --data=data --store=store --model={NETS}:{model} {words}")

    return command


def test_a_healthy_model_gets_its_setup_one_line_and_0(doctor, snapshot: SnapshotAssertion) -> None:
    assert doctor() == (0, snapshot, "")


@pytest.mark.parametrize("model", ["a_buffer_that_counts", "four_classes"])
def test_an_unhealthy_model_gets_problem_evidence_fix_and_1(
    doctor, model: str, snapshot: SnapshotAssertion
) -> None:
    assert doctor(model=model) == (1, snapshot, "")


def test_json_has_the_examination_and_its_findings(here, doctor, snapshot: SnapshotAssertion) -> None:
    code, out, _ = doctor("--json", "a_buffer_that_counts")
    examinations = json.loads(out)
    assert code == 1
    (examination,) = examinations
    machine = {"root": "DIR", "device": "DEVICE", "checks": []}
    assert examination | machine == snapshot
    assert examination["root"] == str(here / "data")
    assert examination["checks"][:3] == ["sets", "images", "steadiness"]
    assert EXAMINATIONS.validate_python(examinations)[0].is_healthy is False


@pytest.mark.parametrize("value", ["--order", "--order=names.txt"])
def test_the_order_is_estimated_or_read(here, doctor, monkeypatch, value) -> None:
    seen = {}

    def examinations(*_arguments, **options):
        seen.update(options)
        return iter(())

    monkeypatch.setattr("quba_check.gate.preflight.examinations", examinations)
    (here / "names.txt").write_text("apple\n\n cloud\n", encoding="utf-8")
    assert doctor(value)[0] == 0
    expected = {"estimate_order": True} if value == "--order" else {"order": ["apple", "cloud"]}
    assert seen == {"short": False, **expected}


def test_what_the_time_left_out_is_said(doctor, monkeypatch, snapshot: SnapshotAssertion) -> None:
    monkeypatch.setattr("quba_check.doctor.examination.SECONDS", 0)
    assert doctor() == (6, snapshot, "")


def test_the_settings_of_pytest_are_read_as_in_a_run(here, run: Run) -> None:
    (here / "old.json").write_text("of an earlier run", encoding="utf-8")
    settings = f"addopts = --model={NETS}:net g.yaml -x\nquba_data = data\nquba_record = old.json\n"
    (here / "pytest.ini").write_text(f"[pytest]\n{settings}", encoding="utf-8")
    code, out, _ = run("doctor --store=store")
    assert (code, "healthy" in out) == (0, True)
    assert (here / "old.json").read_text(encoding="utf-8") == "of an earlier run"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("", "--model: is missing. Name the model, here or in addopts of pytest.ini."),
        ("addopts = --quba-dat=x --model=y", "pytest.ini: unrecognized arguments: --quba-dat=x."),
    ],
)
def test_settings_that_cannot_be_used(here, run: Run, settings: str, message: str) -> None:
    (here / "pytest.ini").write_text(f"[pytest]\n{settings}\n", encoding="utf-8")
    assert run("doctor") == (4, "", f"ERROR: {message}\n")


def test_a_command_of_the_gate_can_be_repeated(here, run: Run) -> None:
    words = "--quba-data=data --quba-store=store --quba-record=r.json --quba-threads=1"
    code, out, _ = run(f"doctor g.yaml --model={NETS}:net {words}")
    assert (code, "healthy" in out) == (0, True)
    assert not (here / "r.json").exists()


def test_several_models_and_threshold_files(here, doctor) -> None:
    (here / "h.yaml").write_text("schema: 1\ndimensions: {object_focus: {min: 0.5}}\n", encoding="utf-8")
    shutil.rmtree(here / "data" / "mixed_same")
    code, out, _ = doctor(f"--thresholds=h.yaml --model={NETS}:other")
    out = " ".join(out.split())
    assert code == 1
    problem = f"object_focus cannot be measured: the set 'mixed_same' is missing: looked for {here}"
    assert out.count(problem) == 2
    assert "evidence: demanded by h.yaml:2 fix: add the images" in out
    assert [f"{NETS}:{name} on tiny: 1 problem" in out for name in ("net", "other")] == [True, True]


@pytest.mark.parametrize(
    "words", ["--model=demo-textured --data=data", f"--model={NETS}:net --data=data --order=none.txt"]
)
def test_invalid_options_exit_with_4_and_one_line(
    here, run: Run, words: str, snapshot: SnapshotAssertion
) -> None:
    assert run(f"doctor {words}") == (4, "", snapshot)
