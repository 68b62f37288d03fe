"""Progress of a fleet on a terminal and in a log."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from quba_check.fleet.display import LiveTable, PlainLines, seconds_left
from quba_check.fleet.judging import Running
from quba_check.fleet.result import ModelResult

DONE = ModelResult("r50", "r50.pt", Path("out/r50"), "released", "pass", ("B",), seconds=60.0, exit_code=0)


def running(name: str, seconds: float, progress: str = "") -> Running:
    return cast(
        Running,
        SimpleNamespace(
            model=SimpleNamespace(name=name),
            process=SimpleNamespace(seconds=seconds, progress=lambda: progress),
        ),
    )


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_a_log_has_plain_lines() -> None:
    output = io.StringIO()
    with PlainLines(output, 3) as lines:
        lines.started(running("r50", 0))
        lines.watch([running("r50", 30)])
        lines.finished(DONE)
    assert output.getvalue() == "r50: started\n[1/3] r50: released, grade B, 60 s\n"
    assert lines.results == [DONE]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


def test_a_terminal_has_a_table_of_running_models(terminal: Terminal) -> None:
    with LiveTable(terminal, 5, 2) as table:
        table.started(running("vit", 0))
        table.watch([running("vit", 30, "clean: 400 images, 100 images/s"), running("net", 5)])
        first = terminal.getvalue()
        table.finished(DONE)
        table.watch([running("vit", 30), running("net", 5)])
    assert "vit  30 s  clean: 400 images, 100 images/s" in first
    assert "2 running" in first
    assert "left" not in first
    assert "[1/5] r50: released, grade B, 60 s\n" in terminal.getvalue()
    # 2 waiting, and 30 and 55 seconds of the running ones, by two processes.
    assert "1 of 5 models, 1 released, 2 running, about 2 min left" in terminal.getvalue()


def test_names_with_markup_are_shown_as_they_are(terminal: Terminal) -> None:
    named = ModelResult("[red]", "[red].pt", Path("out/r"), problem="[/red] a [b]")
    with LiveTable(terminal, 1, 1) as table:
        table.finished(named)
    assert "[1/1] [red]: not judged: [/red] a [b]\n" in terminal.getvalue()


def test_the_time_left() -> None:
    assert seconds_left([], [10.0], 3, 1) is None
    assert seconds_left([100.0], [30.0], 3, 1) == 370.0
    assert seconds_left([100.0], [300.0], 0, 1) == 0.0
