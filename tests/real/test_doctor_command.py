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
    assert "20 clean images lite0 on twenty ImageNet photos: healthy (" in line
    assert took < 60  # thirty seconds of two cores
