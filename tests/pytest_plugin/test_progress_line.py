"""Progress as a line on a terminal, as lines of a log, and a line for each finished dimension."""

from __future__ import annotations

import os
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from _pytest._io import TerminalWriter
from support.gate import thresholds
from support.gated import CORRUPTION, PARAMETERS, corruption, parameters

from quba_check.demands import Demand
from quba_check.engine.work import Step
from quba_check.gate.collector import DemandResult, ResultCollector
from quba_check.gate.progress import ProgressWriter
from quba_check.gate.threshold_files import PlannedDemand
from quba_check.pytest_plugin.progress_line import LOG_SECONDS, FinishedDimensions, LogLines, TerminalLine
from quba_check.verdicts import decide
from quba_check.verdicts.explanation import verdict_row

FILE = thresholds("dimensions: {accuracy: {min: 0.5}}")


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


def planned(demand: Demand, model: str, number: int = 0) -> PlannedDemand:
    return PlannedDemand(f"{demand.name}-{model}-{number}", model, "standard", FILE, demand)


class Log:
    """The printed lines of demands that are judged one after another."""

    def __init__(self, *demands: PlannedDemand, verbosity: int = 0, markup: bool = False) -> None:
        self.file = StringIO()
        self.writer = TerminalWriter(self.file)
        self.writer.hasmarkup, self.writer.fullwidth = markup, 80
        config: Any = SimpleNamespace(
            get_terminal_writer=lambda: self.writer, get_verbosity=lambda: verbosity
        )
        self.collector = ResultCollector()
        self.finished = FinishedDimensions(demands, self.collector, config)

    def judge(self, one: PlannedDemand, value: float) -> str:
        is_size = one.demand.dimension == "parameters"
        row = verdict_row(
            decide(one.demand, parameters(value) if is_size else corruption(value)), one.node_id
        )
        self.collector.add(DemandResult(model=one.model, protocol=one.protocol, verdict=row))
        return self.add(one)

    def add(self, one: PlannedDemand) -> str:
        self.finished.add(one.node_id)
        return self.file.getvalue()


def test_a_dimension_waits_for_all_of_its_demands() -> None:
    first, second, other = (
        planned(CORRUPTION, "net"),
        planned(CORRUPTION, "net", 1),
        planned(PARAMETERS, "net"),
    )
    log = Log(first, second, other)
    log.writer.write("gate.yaml ")
    assert log.judge(first, 0.6) == "gate.yaml "
    assert log.judge(first, 0.6) == "gate.yaml "  # once more, by a plugin that repeats tests
    text = log.judge(second, 0.4)
    assert text == "gate.yaml \ncorruption_robustness not measured                1 of 2 demands failed"
    log.collector.crashed[other.node_id] = "worker 'gw0' crashed"
    assert (
        log.add(other).splitlines()[2]
        == "parameters            not measured                <= 20     NOT RUN"
    )


def test_models_stand_in_front_and_columns_are_aligned() -> None:
    demands = [planned(demand, model) for model in ("a", "other") for demand in (CORRUPTION, PARAMETERS)]
    log = Log(*demands)
    for one in demands:
        log.judge(one, 0.6)
    assert [line.partition(" not measured ")[0] for line in log.file.getvalue().splitlines()] == [
        "a: corruption_robustness    ",
        "a: parameters               ",
        "other: corruption_robustness",
        "other: parameters           ",
    ]


@pytest.mark.parametrize(("verbosity", "end"), [(0, "PASS\n"), (1, "PASS")])
def test_a_wide_line_leaves_no_room_for_a_percentage(verbosity: int, end: str) -> None:
    one, other = (planned(CORRUPTION, "a" * length) for length in (20, 25))
    assert Log(one, other, verbosity=verbosity).judge(one, 0.6).endswith(end)


def test_verdicts_have_colours() -> None:
    one, other = planned(CORRUPTION, "net"), planned(PARAMETERS, "net")
    log = Log(one, other, markup=True)
    assert log.judge(one, 0.4).endswith(" \x1b[1m\x1b[31mFAIL\x1b[0m")
    assert log.add(other).endswith(" \x1b[35mNOT RUN\x1b[0m")
