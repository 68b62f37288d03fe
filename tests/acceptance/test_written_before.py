"""A record written by version 0.1 is read, not refused."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from acceptance.runs import Judge

from quba_check.cli.main import main
from quba_check.evaluation import Evaluation

OLD = Path(__file__).parent / "written_by_0_1"


def test_models_and_values_are_those_of_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Predictions are made again, since those of earlier versions do not state the model that they are of."""
    monkeypatch.syspath_prepend(OLD)
    evaluation = Evaluation("colours:network", OLD / "data", store=tmp_path / "store")
    record = json.loads((OLD / "record.json").read_text(encoding="utf-8"))
    for name, measured in record["measurements"].items():
        if "value" in measured:
            assert evaluation.measure(name).value == pytest.approx(measured["value"], abs=1e-6), name
    del sys.modules["colours"]


def test_a_record_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(OLD)
    for command in (
        ("verdict", "record.json"),
        ("what-if", "record.json", "thresholds.yaml"),
        ("compare", "record.json", "record.json"),
        ("failures", "record.json"),
    ):
        assert main(command) == 0, command


def test_a_record_is_a_baseline(judge_cold: Judge) -> None:
    folder = judge_cold.pytester.path
    shutil.copytree(OLD, folder / "old")
    judge_cold.pytester.syspathinsert(OLD)
    options = ("--quba-data=old/data", "--quba-baseline=old/record.json", "--quba-report=new.json")
    assert judge_cold("old/thresholds.yaml", *options, model="colours:network").ret == 0
    old = json.loads((OLD / "record.json").read_text(encoding="utf-8"))
    new = judge_cold.record("new.json")
    # Later versions add keys; those of earlier ones stay, in their order, but for those of early stopping.
    assert [key for key in new if key in old] == list(old)
    assert list(new["measurements"]) == list(old["measurements"])
    for name, row in old["measurements"].items():
        assert [key for key in new["measurements"][name] if key in row] == [
            key for key in row if key != "stopped"
        ]
    with np.load(OLD / "record.npz") as before, np.load(folder / "new.npz") as after:
        assert set(after.files) >= set(before.files)
