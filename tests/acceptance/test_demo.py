"""The demonstration as a newcomer meets it: an empty folder, nothing but the package."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.demo_runs import demo_store

from quba_check.demands.profiles import DEMO_THRESHOLDS
from quba_check.evaluation import Evaluation
from quba_check.gate.judge import judge
from quba_check.gate.options import Options


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo_store(tmp_path_factory)


def run(folder: Path, store: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"QUBA_STORE": str(store), "COLUMNS": "80"}
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def record(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_demo_passes_and_a_second_run_predicts_nothing(tmp_path: Path, store: Path) -> None:
    first = run(tmp_path, store, "--model=demo", "--quba-record=first.json", "--quba-html=first.html")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "11 of 11 demands passed" in first.stdout
    assert "a demonstration: small models on generated images" in first.stdout
    lines = first.stdout.partition("quba-check demo")[2].splitlines()
    assert lines[lines.index("record: first.json") :][:3] == [
        "record: first.json",
        "page: first.html",
        "next, your own model: pytest --model=my_model.pt --quba-data=DIR",
    ]
    assert max(len(line) for line in lines[1:]) <= 80
    second = run(tmp_path, store, "--model=demo", "--quba-record=second.json")
    assert second.returncode == 0
    assert "plan: 86 views, 32,820 images\nall predictions are in the store\n" in second.stdout
    assert "images/s" not in second.stdout
    before = record(tmp_path / "first.json")
    after = record(tmp_path / "second.json")
    assert before["measurements"] == after["measurements"]
    assert before["suite"] == after["suite"]
    assert before["grades"][0]["population"] == "demo"


def test_the_advised_temperature_passes(tmp_path: Path, store: Path) -> None:
    """The explanation's line, written to a file as it is, meets the demand that failed without it."""
    (tmp_path / "sure.yaml").write_text("schema: 1\ndimensions: {calibration_error: {max: 0.015}}\n")
    before = judge("demo", thresholds=tmp_path / "sure.yaml", options=Options(store=store))
    assert before.overall_verdict == "fail"
    line, value = re.findall(
        r"^  (temperature: ([\d.]+)) in the file of --quba-preprocessing would pass: ",
        before.verdicts[0].message,
        re.MULTILINE,
    )[0]
    (tmp_path / "prep.yaml").write_text(line + "\n")
    options = Options(preprocessing=tmp_path / "prep.yaml", store=store)
    after = judge("demo", thresholds=tmp_path / "sure.yaml", options=options)
    assert after.overall_verdict == "pass"
    assert after.model.preprocessing["temperature"] == float(value)


@pytest.mark.parametrize("variables", [{}, {"CI": "true"}], ids=["terminal", "ci"])
def test_the_textured_demo_fails_for_what_it_learned(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    monkeypatch.delenv("CI", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = run(tmp_path, store, "--model=demo-textured", "--quba-record=record.json")
    assert result.returncode == 1
    verdicts = record(tmp_path / "record.json")["verdicts"]
    failed = {verdict["dimension"] for verdict in verdicts if verdict["outcome"] != "pass"}
    assert failed == {"object_focus", "ood_robustness", "shape_bias"}
    places = re.findall(r"\[(\S+):(\d+)\]\n", result.stdout)
    assert [int(line) for _, line in places] == [
        verdict["line"] for verdict in verdicts if verdict["dimension"] in failed
    ]
    assert {Path(path) for path, _ in places} == {DEMO_THRESHOLDS}
    assert {verdict["file"] for verdict in verdicts} == {"quba_check/demo/thresholds.yaml"}


def test_demo_models_bring_their_suite_to_python_too(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUBA_DATA", str(tmp_path))  # of other models
    evaluation = Evaluation("demo", store=store)
    assert repr(evaluation) == "Evaluation(demo on demo, protocol standard)"
    assert Evaluation(evaluation.classifier, store=store).suite.name == "demo"
