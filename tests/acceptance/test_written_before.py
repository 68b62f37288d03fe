"""Records written by earlier versions are read, not refused."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from acceptance.runs import Judge

import quba_check
from quba_check.cli.main import main
from quba_check.errors import OptionError
from quba_check.evaluation import Evaluation
from quba_check.records.verdict import DROPS
from quba_check.verdicts.stored_verdicts import read_record

OLD = Path(__file__).parent / "written_by_0_1"
APPROVED = Path(__file__).parent / "written_by_0_2"
"""A suite with the images of the other folder, and the record that version 0.2 approved for it."""
ROUNDING = 1e-6
"""Allowance for values of another processor: records keep answers in float32, with seven digits."""


def test_models_and_values_are_those_of_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Predictions are made again, since those of earlier versions do not state the model that they are of."""
    monkeypatch.syspath_prepend(OLD)
    evaluation = Evaluation("colours:network", OLD / "data", store=tmp_path / "store")
    record = json.loads((OLD / "record.json").read_text(encoding="utf-8"))
    for name, measured in record["measurements"].items():
        if "value" in measured:
            assert evaluation.measure(name).value == pytest.approx(measured["value"], abs=ROUNDING), name
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
    # Later versions add keys; those of earlier ones stay, but for those of early stopping.
    assert [key for key in new if key in old] == list(old)
    assert list(new["measurements"]) == list(old["measurements"])
    for name, row in old["measurements"].items():
        assert {*row} - {"stopped"} <= {*new["measurements"][name]}, name
    with np.load(OLD / "record.npz") as before, np.load(folder / "new.npz") as after:
        assert set(after.files) >= set(before.files)


def test_a_record_approved_by_version_0_2_is_a_baseline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drops, slices, classes, parity and pipelines are judged against it, and looser demands are refused."""
    shutil.copytree(OLD / "data", tmp_path / "data")
    shutil.copytree(APPROVED, tmp_path / "data", dirs_exist_ok=True)
    monkeypatch.syspath_prepend(OLD)
    monkeypatch.chdir(tmp_path / "data")
    file = Path("thresholds.yaml")
    served = "parity: [{agreement: {min: 0.9}}, {pipeline: app, agreement: {min: 0.1}}]\n"
    file.write_text(f"{file.read_text('utf-8').partition('parity:')[0]}{served}", "utf-8")
    against = {"baseline": "baseline/record.json", "no_looser": True, "store": tmp_path / "store"}
    record = quba_check.judge("colours:network", ".", "thresholds.yaml", **against)
    assert {row.outcome for row in record.verdicts} == {"pass"}
    values = {row.name: record.explained(row).value for row in record.verdicts}
    drops = [name for name in values if "drop]" in name]
    assert drops == [
        "accuracy[max_drop]",
        "accuracy@slice=light=night[max_drop]",
        "class_balance[max_relative_drop]",
        "ood_robustness.sketch[max_drop]",
        "classes.brick.recall@probability=0.3,set=sketch[max_drop]",
        "answers.share@probability=0.4[max_drop]",
    ]
    assert [values[name] for name in drops] == pytest.approx([0.0] * len(drops), abs=ROUNDING)
    assert values["parity.agreement[min]"] == 1.0
    approved = read_record(Path("baseline/record.json"))
    assert [row.name for row in approved.verdicts] == list(values)
    # It had neither baseline nor reference, and another estimate of the worst slice.
    others = [row for row in approved.verdicts if row.judged is None and row.dimension != "parity"]
    for row in others:
        if row.bound not in DROPS:
            expected = pytest.approx(approved.explained(row).value, abs=ROUNDING)
            assert values[row.name] == expected, row.name
    file.write_text(file.read_text("utf-8").replace("gap: {max: 0.9}", "gap: {max: 0.95}"), "utf-8")
    with pytest.raises(OptionError, match=r"accuracy@slice=light:gap\[max\] <= 0\.95 \(was 0\.9\)"):
        quba_check.judge("colours:network", ".", "thresholds.yaml", **against)
    del sys.modules["colours"]
