"""Signs of life of other processes, by the clock of this one."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from quba_check.executors.slurm import heartbeat
from quba_check.executors.slurm.heartbeat import Heartbeat, Pulse


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that a pulse reads; a test sets its only entry."""
    now = [100.0]
    monkeypatch.setattr(heartbeat.time, "monotonic", lambda: now[0])
    return now


def test_silence_is_the_time_since_a_change(tmp_path: Path, clock: list[float]) -> None:
    path = tmp_path / "alive"
    path.write_text("1")
    pulse = Pulse(path)
    clock[0] = 107
    assert pulse.silence == 7
    path.write_text("2")
    assert pulse.silence == 0
    clock[0] = 110
    assert pulse.silence == 3


def test_a_missing_file_is_silent(tmp_path: Path, clock: list[float]) -> None:
    pulse = Pulse(tmp_path / "alive")
    clock[0] = 160
    assert pulse.silence == 60


def test_a_heart_beats_until_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "alive"
    heart = Heartbeat(path, seconds=0.01)
    end = time.monotonic() + 60
    while path.read_text() in ("", "0"):
        assert time.monotonic() < end
        time.sleep(0.01)
    heart.close()
    content = path.read_text()
    assert int(content) >= 1
    assert not heart._thread.is_alive()


def test_a_folder_that_was_removed_ends_nothing(tmp_path: Path) -> None:
    heart = Heartbeat(tmp_path / "gone" / "alive", seconds=0.01)
    assert heart._thread.is_alive()
    heart.close()
