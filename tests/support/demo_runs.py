"""Runs of the demo's two models, shared by the tests that need real records."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def demo_store(factory: pytest.TempPathFactory) -> Path:
    """One store for all tests and workers of a session: the demo's images are predicted once."""
    base = factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "stored-runs"


def write_demo_records(folder: Path, store: Path) -> None:
    """Write the records demo.json and textured.json with their per-image files; the second one fails."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {
        "QUBA_STORE": str(store),
        "OMP_NUM_THREADS": "1",
        "PYTEST_ADDOPTS": "-p no:hypothesispytest",
    }
    models = ["--model=demo", "--model=demo-textured"]
    command = [sys.executable, "-m", "pytest", "-q", *models, "--quba-report=run.json"]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1, result.stdout + result.stderr
    for name, new in (("demo", "demo"), ("demo-textured", "textured")):
        for suffix in (".json", ".npz"):
            shutil.move(folder / f"run-{name}-standard{suffix}", folder / f"{new}{suffix}")
