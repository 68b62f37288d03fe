"""Shared by tests of whole runs: tiny data, its measurements, and folders to run in."""

import importlib
import os
import shutil
import sys
from pathlib import Path

import pytest
from acceptance.runs import GATE, HERE, NINE, Judge, Measured

LOADED_ONCE = (
    "rich.live",
    "rich.progress",
    "rich.table",
    "scipy.optimize",
    "timm",
    "quba_check.models.checkpoints.build",
    "quba_check.models.programs.torch_programs",
)
"""A run imports these when it needs them. pytester drops what a run in this process imports. But
torchvision cannot be imported twice, and rich takes no styles of an earlier import."""


@pytest.fixture(scope="session")
def measured(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Measured:
    """`nets:net` on the tiny suite by the Python API. Loads torch for all runs in this process."""
    for name in LOADED_ONCE:
        importlib.import_module(name)
    from quba_check.evaluation import Evaluation

    store = tmp_path_factory.mktemp("measured") / "store"
    sys.path.insert(0, str(HERE))
    try:
        evaluation = Evaluation("nets:net", tiny_data, store=store)
        evaluation.plan(NINE)
        evaluation.check()
        values = {name: evaluation.measure(name).value for name in NINE}
    finally:
        sys.path.remove(str(HERE))
        del sys.modules["nets"]
    return Measured(store, values)


@pytest.fixture
def judge_cold(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tiny_data: Path, measured: Measured
) -> Judge:
    """Runs in a fresh folder that holds `thresholds/x.yaml`, with an empty store."""
    judge = Judge(pytester.path, pytester.path / "store", pytester)
    pytester.syspathinsert(HERE)
    for name in [name for name in os.environ if name.startswith(("PYTEST_XDIST", "NETS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("QUBA_DATA", str(tiny_data))
    monkeypatch.setenv("QUBA_STORE", str(judge.store))
    monkeypatch.setenv("NETS_NOTES", str(pytester.path / "passes"))
    monkeypatch.setenv("COLUMNS", "80")
    judge.write("thresholds/x.yaml", GATE)
    return judge


@pytest.fixture
def judge(judge_cold: Judge, measured: Measured) -> Judge:
    """As `judge_cold`, with a store of its own that holds all predictions of `nets:net`."""
    shutil.copytree(measured.store, judge_cold.store)
    return judge_cold
