"""Folders of gate runs: that of a test, a project with threshold files, and a suite to change."""

from pathlib import Path

import pytest
from support.tiny import copy_suite


@pytest.fixture(autouse=True)
def _in_the_folder_of_the_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in (
        *("thresholds/b.yaml", "thresholds/a.yml", "thresholds/notes.txt", "sub/thresholds/c.yaml"),
        *(".git/thresholds/x.yaml", "build/thresholds/x.yaml", "other/x.yaml"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path


@pytest.fixture
def data(tiny_data: Path, tmp_path: Path) -> Path:
    """The tiny suite, which a test may change."""
    return copy_suite(tiny_data, tmp_path / "data")
