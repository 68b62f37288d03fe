"""A fleet with a model that dies, a broken file, and a driver that is killed."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from acceptance.runs import GATE, QUICK, Measured, ended, start, wait_for

FATAL = '''\
"""A network whose process is killed in its first pass, once."""

import os
import signal
from pathlib import Path

import nets
from torch import nn


class Net(nets.Net):
    def forward(self, x):
        if not Path("died").exists():
            Path("died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return nn.functional.adaptive_avg_pool2d(x, 2).flatten(1) @ self.weight.T


def net():
    return Net()
'''


class Fleets:
    """Fleets in a folder, as processes of their own."""

    def __init__(self, root: Path, data: Path) -> None:
        self.root = root
        (root / "thresholds").mkdir()
        (root / "thresholds/x.yaml").write_text(GATE, encoding="utf-8")
        (root / "fatal.py").write_text(FATAL, encoding="utf-8")
        (root / "broken.pt").write_text("no model", encoding="utf-8")
        self._words = ["--thresholds", "thresholds/x.yaml", "--data", str(data), "--json"]

    def start(self, *models: str, **settings: str) -> subprocess.Popen[str]:
        """Start the fleet of a list of models."""
        (self.root / "models.txt").write_text("\n".join(models), encoding="utf-8")
        settings |= {"QUBA_STORE": str(self.root / "store"), "PYTEST_ADDOPTS": " ".join(QUICK)}
        return start(self.root, "quba_check", "fleet", "models.txt", *self._words, **settings)

    def run(self, *models: str) -> tuple[int, dict[str, dict[str, Any]]]:
        """Run a fleet to its end; return its exit code and its results by model."""
        finished = ended(self.start(*models))
        rows = json.loads(finished.out)["models"]
        return finished.code, {row["model"]: row for row in rows}

    def record(self, name: str) -> dict[str, Any]:
        """The record of a model."""
        path = self.root / "fleet" / name / "record.json"
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content


def test_a_fleet_survives_its_models_and_its_own_death(
    tmp_path: Path, tiny_data: Path, measured: Measured
) -> None:
    fleets = Fleets(tmp_path, tiny_data)
    models = ("fatal:net", "broken.pt", "nets:net")
    flag = tmp_path / "half-way"
    driver = fleets.start(*models, NETS_TRAP=f"wait 100 {flag}")
    wait_for(flag, driver)
    driver.send_signal(signal.SIGKILL)
    killed = ended(driver)
    assert killed.code == -signal.SIGKILL
    died, refused = (line for line in killed.err.splitlines() if line.startswith("["))
    assert died.startswith("[1/3] fatal-net: not judged, ")
    assert "its process was ended by signal SIGKILL" in died
    assert refused.startswith("[2/3] broken: not judged, ")
    assert ": broken.pt: " in refused

    code, results = fleets.run(*models)
    assert code == 5
    outcomes = {model: (row["outcome"], row["verdict"], row["exit_code"]) for model, row in results.items()}
    assert outcomes == {
        "fatal:net": ("released", "pass", 0),
        "broken.pt": ("not judged", "not judged", 4),
        "nets:net": ("released", "pass", 0),
    }
    for name in ("fatal-net", "nets-net"):  # networks of the same weights
        rows = fleets.record(name)["measurements"]
        values = {dimension: row["value"] for dimension, row in rows.items()}
        assert values == pytest.approx(measured.values, abs=1e-6)
