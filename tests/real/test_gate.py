"""The main job on real material: real ImageNet weights judged on real labelled photos, by the command."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

THRESHOLDS = """\
schema: 1
name: twenty photos
dimensions:
  accuracy: {min: 0.85, parts: {top5: {min: 0.9}}}
  adversarial_robustness: {min: 0.5, tier: warn}
  calibration_error: {max: 0.05}
  class_balance: {min: 0.7}
  parameters: {max: 5}
"""


@pytest.fixture(scope="module")
def gate(
    lite0_checkpoint: Path, photo_suite: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[subprocess.CompletedProcess[str], dict]:
    """What `pytest --model=lite0.pt --quba-arch=tf_efficientnet_lite0 --quba-data=…` says and records."""
    folder = tmp_path_factory.mktemp("gate")
    (folder / "photos.yaml").write_text(THRESHOLDS, encoding="utf-8")
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "photos.yaml",
            f"--model={lite0_checkpoint}",
            "--quba-arch=tf_efficientnet_lite0",
            f"--quba-data={photo_suite}",
            "--quba-store=store",
            "--quba-report=record.json",
        ],
        cwd=folder,
        env=os.environ | {"COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
    )
    return result, json.loads((folder / "record.json").read_text(encoding="utf-8"))


def test_eighteen_of_twenty_photos_are_right(gate) -> None:
    accuracy = gate[1]["measurements"]["accuracy"]
    assert (accuracy["value"], accuracy["n"]) == (18 / 20, 20)
    assert accuracy["parts"]["top5"]["value"] == 19 / 20


def test_attacks_leave_it_little(gate) -> None:
    found = gate[1]["measurements"]["adversarial_robustness"]
    assert found["parts"]["pgd"]["value"] <= found["parts"]["fgsm"]["value"] < 0.5
    assert found["notes"] == []


def test_class_balance_is_unmeasurable_and_says_why(gate) -> None:
    result, record = gate
    reason = (
        "class_balance needs two images in every class; 999 of 1000 classes have fewer "
        "('tench' has 0, 'goldfish' has 0, 'great white shark' has 0 and 996 more); "
        "add images of them to the clean set"
    )
    assert record["measurements"]["class_balance"]["unmeasurable"] == reason
    verdict = next(row for row in record["verdicts"] if row["dimension"] == "class_balance")
    assert verdict["outcome"] == "unmeasurable"
    assert verdict["message"].splitlines()[0] == f"class_balance could not be measured: {reason}"
    assert "demanded by photos.yaml:7" in result.stdout


def test_one_demand_fails_and_one_warns(gate) -> None:
    result, record = gate
    assert result.returncode == 1, result.stdout + result.stderr
    assert {row["dimension"]: row["outcome"] for row in record["verdicts"] if row["part"] is None} == {
        "accuracy": "pass",
        "adversarial_robustness": "fail",
        "calibration_error": "pass",
        "class_balance": "unmeasurable",
        "parameters": "pass",
    }
    line = re.compile(r"^(\w+) +\S.* (PASS|WARN|FAIL|\d of \d demands \w+)(?: +\[.*\])?$", re.MULTILINE)
    finished = line.findall(result.stdout)
    assert finished[:3] == [
        ("accuracy", "2 of 2 demands passed"),
        ("adversarial_robustness", "WARN"),
        ("calibration_error", "PASS"),
    ]
    assert "1 failed, 4 passed, 1 warned" in result.stdout


def test_the_record_says_what_was_judged(gate) -> None:
    model = gate[1]["model"]
    facts = [model[key] for key in ("name", "parameters", "classes", "outputs")]
    assert facts == ["lite0", 4_652_008, 1000, "logits"]
    assert model["preparation"]["mean"] == model["preparation"]["std"] == [0.5, 0.5, 0.5]
    assert model["preparation"]["source"] == "timm's tf_efficientnet_lite0"
    ((name, clean),) = gate[1]["suite"]["sets"].items()
    assert (name, clean["images"], clean["expected"]) == ("clean", 20, 20)
