"""Progress as a line on a terminal, as lines of a log, and a line for each finished dimension."""

import os
from pathlib import Path

import pytest

from quba_check.core.work import Step
from quba_check.gate.progress import ProgressWriter
from quba_check.pytest_plugin.progress_line import LOG_SECONDS, LogLines, TerminalLine


def step(view: str, images: int, planned: float, seconds: float) -> Step:
    return Step(view, images, round(planned), planned, seconds)


def test_the_line_stands_below_the_cursor_and_is_erased(tmp_path: Path) -> None:
    reading, writing = os.openpty()
    ProgressWriter(tmp_path, "main").add(step("clean", 5, 5, 1.0))
    display = TerminalLine(tmp_path, writing)
    seen = ""
    while "images/s" not in seen:
        seen += os.read(reading, 4096).decode()
    with display.pause():
        seen += os.read(reading, 4096).decode()
    display.close()
    os.close(writing)
    assert "\x1bD\x1b7\r\x1b[Kmeasuring clean · 5 images · 5 images/s\x1b8\x1b[A" in seen
    assert seen.endswith("\x1b7\x1b[B\r\x1b[K\x1b8")


def test_a_line_that_is_hidden_comes_back_after_others_wrote(tmp_path: Path) -> None:
    reading, writing = os.openpty()
    ProgressWriter(tmp_path, "main").announce("loading torch")
    display = TerminalLine(tmp_path, writing)
    display.hide()
    with display.pause():
        os.write(writing, b"header")
    seen = ""
    while "loading torch" not in seen.partition("header")[2]:
        seen += os.read(reading, 4096).decode()
    display.close()
    os.close(writing)
    assert seen.partition("header")[2].startswith("\x1bD\x1b7\r\x1b[Kloading torch")


def test_a_write_is_drawn_at_once_but_not_while_others_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quba_check.pytest_plugin.progress_line.REFRESH_SECONDS", 3600)
    reading, writing = os.openpty()
    display = TerminalLine(tmp_path, writing)
    writer = ProgressWriter(tmp_path, "main", display.update)
    with display.pause():
        writer.announce("loading torch")
        os.write(writing, b"header")
    writer.announce("loading model demo")
    display.close()
    os.close(writing)
    seen = os.read(reading, 4096).decode()
    assert seen.startswith("header\x1bD\x1b7\r\x1b[Kloading model demo")


class Clock:
    """A clock that tests move."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_log_has_a_line_after_a_long_silence(tmp_path: Path) -> None:
    lines: list[str] = []
    clock = Clock()
    log = LogLines(tmp_path, lines.append, clock)
    writer = ProgressWriter(tmp_path, "gw0", log.update)
    log.announce("loading torch")
    writer.plan(42_000)
    writer.add(step("clean", 4000, 8000, 4.0))
    clock.now = LOG_SECONDS - 1
    writer.add(step("clean+pgd", 0, 0, 4.0))
    log.update()
    clock.now = LOG_SECONDS
    log.update()
    log.update()
    clock.now = 2 * LOG_SECONDS
    log.update()  # nothing was written since
    with log.pause():
        lines.append("a test passed")
    log.close()
    assert lines == [
        "quba-check: measuring clean+pgd, 4,000 images, 500 images/s, about 30 s left",
        "a test passed",
    ]


def test_a_log_prints_the_states_of_other_processes(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    clock = Clock()
    log = LogLines(tmp_path, lambda text: os.write(writing, text.encode()) and None, clock)
    clock.now = LOG_SECONDS
    log.watch()
    ProgressWriter(tmp_path, "gw0").add(step("sketch", 500, 500, 1.0))
    assert os.read(reading, 100) == b"quba-check: measuring sketch, 500 images, 500 images/s"
    log.close()
    log.close()
