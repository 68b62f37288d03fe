"""The command: the gate's options, exit codes, and output."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.tiny import write_models, write_suite

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
CHECKS = 6
SHOWN = 20


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


def setup(capsys) -> tuple[str, list[str]]:
    """The lines above the findings as one text, and the other lines."""
    out, err = capsys.readouterr()
    assert err == ""
    first, _, rest = out.partition("\n\n")
    return " ".join(first.split()), rest.splitlines()


def test_a_healthy_model_gets_its_setup_one_line_and_0(here, capsys) -> None:
    assert doctor() == 0
    assert setup(capsys) == (
        f"model {NETS}:net: 8 × 8, bilinear, crop 1, mean 0.5, std 0.5 (from quba_config of {NETS}:net) "
        "data tiny: data, 9 clean images",
        [f"{NETS}:net on tiny: healthy ({CHECKS} checks; 87 images decoded, {SHOWN} shown)"],
    )


def test_an_unhealthy_model_gets_problem_evidence_fix_and_1(here, capsys) -> None:
    assert doctor(model="a_buffer_that_counts") == 1
    assert setup(capsys)[1] == [
        f"{NETS}:a_buffer_that_counts: a forward pass in eval mode writes to the",
        "  model.",
        "  evidence: after 20 images, 1 tensor differs: seen",
        "  fix: write to buffers only `if self.training:`",
        "",
        f"{NETS}:a_buffer_that_counts on tiny: 1 problem ({CHECKS} checks; 87 images",
        "  decoded, 20 shown)",
    ]


def test_another_number_of_classes_is_a_finding(here, capsys) -> None:
    assert doctor(model="four_classes") == 1
    assert setup(capsys)[1][:5] == [
        f"{NETS}:four_classes: the model has 4 classes, the suite has 3.",
        "  evidence: 4 outputs per image; 3 classes in the suite (apple, brick, cloud);",
        "    one more: a background class, or labels counted from 1",
        "  fix: give a model of 3 classes, or the suite of this model's classes",
        "",
    ]


def test_json_has_the_examination_and_its_findings(here, capsys) -> None:
    assert doctor("--json", model="a_buffer_that_counts") == 1
    examinations = json.loads(capsys.readouterr().out)
    assert examinations == [
        {
            "schema": 1,
            "model": STATEFUL,
            "suite": "tiny",
            "root": str(here / "data"),
            "device": examinations[0]["device"],
            "precision": "fp32",
            "form": "full",
            "checks": examinations[0]["checks"],
            "decoded": 87,
            "forwards": 20,
            "findings": [
                {
                    "check": "steadiness",
                    "problem": f"{STATEFUL}: a forward pass in eval mode writes to the model.",
                    "evidence": "after 20 images, 1 tensor differs: seen",
                    "fix": "write to buffers only `if self.training:`",
                    "severity": "problem",
                }
            ],
        }
    ]
    assert examinations[0]["checks"][:3] == ["sets", "images", "steadiness"]
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


def test_what_the_time_left_out_is_said(here, capsys, monkeypatch) -> None:
    monkeypatch.setattr("quba_check.doctor.examination.SECONDS", 0)
    assert doctor() == 0
    assert setup(capsys)[1] == [
        f"{NETS}:net: the doctor's 0 seconds ended before images, steadiness,",
        "  outputs, answers, copies.",
        "  fix: measurements are not affected; for the rest: a faster --device",
        "",
        f"{NETS}:net on tiny: no problem found, 1 note (1 check; 0 images decoded,",
        "  0 shown)",
    ]


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
    ("arguments", "message"),
    [
        (
            ["--model=demo-textured", "--data=data"],
            "--quba-data: got 'data', but 'demo-textured' brings its own images. Allowed: a data folder for "
            "any other model. Leave the option out, or name another model.",
        ),
        (
            [f"--model={NETS}:net", "--data=data", "--order=none.txt"],
            "--order: none.txt: there is no such file. Allowed: a text file with one class name per line.",
        ),
    ],
)
def test_invalid_options_exit_with_4_and_one_line(here, capsys, arguments, message) -> None:
    assert main(["doctor", *arguments]) == 4
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("ERROR: ")
    assert message in line


def test_the_schema_is_printed(capsys) -> None:
    assert main(["schema", "doctor"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["type"] == "array"
    assert set(schema["$defs"]["Examination"]["properties"]) == set(
        Examination.model_json_schema()["properties"]
    )
