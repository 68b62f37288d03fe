"""The progress line on a real terminal, in one process and under xdist, and its absence elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from acceptance.runs import QUICK
from tiny import write_models

SLOW = """
import time
from tiny_models import Net

class Slow(Net):
    def forward(self, x):
        time.sleep(0.7)
        return super().forward(x)

def net():
    return Slow()
"""
GATE = (
    "schema: 1\ndimensions:\n  accuracy: {min: 0.1, tier: info}\n  ood_robustness: {min: 0.1, tier: info}\n"
)


@pytest.fixture
def command(tmp_path: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    write_models(tmp_path)
    (tmp_path / "slow.py").write_text(SLOW, encoding="utf-8")
    (tmp_path / "gate.yaml").write_text(GATE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("QUBA_DATA", str(tiny_data))
    monkeypatch.setenv("QUBA_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("TERM", "xterm")
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        monkeypatch.delenv(name)
    return [sys.executable, "-m", "pytest", *QUICK, "gate.yaml", "--model=slow:net"]


def seen_on_a_terminal(command: list[str]) -> str:
    reading, writing = os.openpty()
    process = subprocess.Popen(command, stdout=writing, stderr=writing)
    os.close(writing)
    seen = b""
    while True:
        try:
            part = os.read(reading, 4096)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        seen += part
    os.close(reading)
    assert process.wait() == 0, seen.decode(errors="replace")
    return seen.decode(errors="replace")


@pytest.mark.parametrize("workers", [[], ["-n2"]], ids=["one process", "two workers"])
def test_it_is_there_while_measuring_and_gone_after(
    command: list[str], workers: list[str], tmp_path: Path
) -> None:
    seen = seen_on_a_terminal([*command, *workers])
    assert "measuring " in seen
    assert "images/s" in seen
    summary = seen[seen.index("quba-check slow:net") :]
    assert "measuring" not in summary
    assert list((tmp_path / "store" / "progress").iterdir()) == []


def test_a_log_has_none(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0
    assert "measuring" not in result.stdout
    assert "\x1b" not in result.stdout
