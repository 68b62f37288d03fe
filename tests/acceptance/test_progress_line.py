"""Progress in one process and under xdist: a line on a real terminal, plain lines in a log."""

import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from acceptance.runs import QUICK, Judge, python_path
from support.tiny import write_models
from syrupy.assertion import SnapshotAssertion

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
    monkeypatch.setenv("PYTHONPATH", python_path(tmp_path))
    monkeypatch.setenv("QUBA_DATA", str(tiny_data))
    monkeypatch.setenv("QUBA_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    for name in [name for name in os.environ if name.startswith("PYTEST_")]:
        monkeypatch.delenv(name)
    return [sys.executable, "-m", "pytest", *QUICK, "gate.yaml"]


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
    seen = seen_on_a_terminal([*command, "--model=slow:net", *workers])
    assert "measuring " in seen
    assert "images/s" in seen
    summary = seen[seen.index("quba-check slow:net") :]
    assert "measuring" not in summary
    assert list((tmp_path / "store" / "progress").iterdir()) == []


def before_the_summary(lines: list[str]) -> list[str]:
    """The lines before quba-check's own summary, without the spaces that fill a row."""
    end = next(number for number, line in enumerate(lines) if re.match("=+ quba-check ", line))
    return [re.sub(" +", " ", row) for row in lines[:end]]


@pytest.fixture
def without_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """No line for a long silence, however slow the machine is."""
    monkeypatch.setattr("quba_check.pytest_plugin.progress_line.LOG_SECONDS", math.inf)


@pytest.mark.usefixtures("without_silence")
@pytest.mark.parametrize(
    "arguments",
    [(), ("-v", "-k", "ood or parameters"), ("-q", "-k", "param"), ("-qq", "-k", "param")],
    ids=["plain", "verbose", "quiet", "silent"],
)
def test_a_log_has_lines_for_the_setup(
    judge: Judge, tiny_data: Path, arguments: tuple[str, ...], snapshot: SnapshotAssertion
) -> None:
    lines = before_the_summary(judge("thresholds/x.yaml", *arguments).outlines)
    of_pytest = ("platform ", "cachedir: ", "rootdir: ", "configfile: ", "plugins: ", "collect")
    text = "\n".join(line for line in lines if not line.startswith(of_pytest))
    assert text.replace(str(tiny_data), "DATA") == snapshot
