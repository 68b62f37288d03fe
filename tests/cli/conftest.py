"""Command lines as people type them."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from quba_check.cli.main import main

Run = Callable[[str], tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in an empty folder on a terminal of 80 columns: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def command(words: str) -> tuple[int, str, str]:
        code = main(shlex.split(words))
        return code, *capsys.readouterr()

    return command
