"""Progress in one process and under xdist: a line on a real terminal, plain lines in a log."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from acceptance.runs import QUICK, Judge, python_path
from support.tiny import CLASSES, PER_CLASS, SHIFTS, write_models

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


@pytest.mark.slow
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


def without_speed(lines: list[str]) -> list[str]:
    """The lines of progress without what depends on the machine."""
    ours = [line for line in lines if line.startswith("quba-check: ")]
    return [line.partition(" images, ")[0] for line in ours if "measuring" not in line]


N = PER_CLASS * len(CLASSES)
SETS = [
    f"quba-check: clean+fgsm: {N}",
    f"quba-check: clean+pgd: {N}",
    f"quba-check: corruptions: {75 * 3}",
    *(f"quba-check: {name}: 6" for name in (*SHIFTS, "mixed_same", "mixed_rand")),
    "quba-check: cue_conflict: 9",
]
"""All sets but the clean one, in the order of the demands."""


@pytest.fixture
def without_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """No line for a long silence, however slow the machine is."""
    monkeypatch.setattr("quba_check.gate.progress_output.LOG_SECONDS", math.inf)


@pytest.mark.usefixtures("without_silence")
def test_a_log_has_a_line_for_every_set_on_a_row_of_its_own(judge_cold: Judge) -> None:
    lines = judge_cold("thresholds/x.yaml").outlines
    header = next(number for number, line in enumerate(lines) if "test session starts" in line)
    assert without_speed(lines[:header]) == [
        "quba-check: loading model nets:net",
        "quba-check: nets:net: images go in at 8 × 8, bilinear, crop 1, mean 0.5 0.5 0.5,",
        f"quba-check: clean: {N}",
        "quba-check: doctor: examining nets:net",
    ]
    assert without_speed(lines[header:]) == SETS
    rows = [line for line in lines[header:] if not line.startswith("quba-check: ")]
    start = rows.index("thresholds/x.yaml .")
    dots = [re.sub(r" +\[100%\]", "", row) for row in rows[start : start + 6]]
    assert dots == ["thresholds/x.yaml .", "..", "..", "...", ".", "...."]
    for line in lines:
        if line.startswith(f"{SETS[0]} "):
            assert re.fullmatch(rf"{re.escape(SETS[0])} images, [\d,]+ images/s(, [a-z ]+ \d+ s left)?", line)


@pytest.mark.usefixtures("without_silence")
@pytest.mark.slow
def test_a_verbose_log_names_the_test_again(judge_cold: Judge) -> None:
    lines = judge_cold("thresholds/x.yaml", "-v").outlines
    last = next(number for number, line in enumerate(lines) if line.startswith(SETS[1]))
    name = "thresholds/x.yaml::adversarial_robustness[min]"
    assert lines[last - 2] == f"{name} "
    assert lines[last - 1].startswith(SETS[0])
    assert lines[last + 1] == ""
    assert re.fullmatch(rf"{re.escape(name)} PASSED +\[ 15%\]", lines[last + 2])


def test_a_quiet_log_has_none(judge_cold: Judge) -> None:
    assert without_speed(judge_cold("thresholds/x.yaml", "-q", "-k", "object_focus").outlines) == []


@pytest.mark.slow
def test_a_log_of_several_workers(command: list[str]) -> None:
    command = [*command, "-n2", "--model=tiny_models:net"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert "\x1b" not in result.stdout
    lines = without_speed(result.stdout.splitlines())
    assert lines[:5] == [
        "quba-check: loading torch",
        "quba-check: loading model tiny_models:net",
        "quba-check: tiny_models:net: images go in at 8 × 8, bilinear, crop 1, mean 0.5",
        f"quba-check: clean: {N}",
        "quba-check: doctor: examining tiny_models:net",
    ]
    assert sorted(lines[5:]) == sorted(f"quba-check: {name}: 6" for name in SHIFTS)
