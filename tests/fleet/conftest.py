"""Fleets whose processes take no time."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.fleet_models import CHILD

from quba_check.fleet import process


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, in which a stand-in for pytest reads outcomes from model files."""
    child = tmp_path / "stand_in.py"
    child.write_text(CHILD, encoding="utf-8")
    monkeypatch.setattr(process, "CHILD", child)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return tmp_path / "project"
