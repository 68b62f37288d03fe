"""The doctor's command on real weights and photos."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from quba_check.cli.main import main

GATE = "schema: 1\ndimensions: {accuracy: {min: 0.85}, parameters: {max: 5}}\n"


@pytest.fixture
def doctor(lite0_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copy(lite0_checkpoint, tmp_path / "lite0.pt")
    (tmp_path / "gate.yaml").write_text(GATE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    arguments = ["gate.yaml", "--model=lite0.pt", "--arch=tf_efficientnet_lite0", "--store=store"]
    return lambda data: main(["doctor", *arguments, f"--data={data}"])


def test_real_weights_are_healthy_at_a_low_cost(doctor, photo_suite: Path, capsys) -> None:
    began = time.process_time()
    assert doctor(photo_suite) == 0
    took = time.process_time() - began
    (line,) = " ".join(capsys.readouterr().out.split()).splitlines()
    assert line.startswith("lite0 on twenty ImageNet photos: healthy (")
    assert took < 60  # thirty seconds of two cores


def test_a_head_for_other_classes_is_reported(doctor, photo_suite: Path, tmp_path: Path, capsys) -> None:
    data = Path(shutil.copytree(photo_suite, tmp_path / "data"))
    manifest = (data / "quba-data.yaml").read_text(encoding="utf-8")
    classes = ", ".join(f"c{k}" for k in range(999))
    (data / "quba-data.yaml").write_text(
        manifest.replace("classes: imagenet", f"classes: [{classes}]"), encoding="utf-8"
    )
    assert doctor(data) == 1
    assert capsys.readouterr().out.splitlines() == [
        "lite0.pt: the model has 1,000 classes, the suite has 999.",
        "  evidence: 1,000 outputs per image; 999 classes in the suite (c0, c1, c2, …);",
        "    one more: a background class, or labels counted from 1",
        "  fix: give a model of 999 classes, or the suite of this model's classes",
        "",
        "lite0 on twenty ImageNet photos: 1 problem (1 check; 0 images decoded, 0 shown)",
    ]
