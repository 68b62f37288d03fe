"""Progress: the states of processes, the terminal line and log lines."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quba_check.engine.progress import Step
from quba_check.engine.speed import Speed
from quba_check.engine.timing import Estimate, Timing, Timings, Work
from quba_check.pytest_plugin.progress import (
    ProcessState,
    ProgressWriter,
    WorkLeft,
    progress_text,
    read_states,
    run_speeds,
    run_time_left,
    time_text,
)
from quba_check.pytest_plugin.progress_line import LOG_SECONDS, LogLines, TerminalLine

KEY = "model on cpu"
READ, PGD = Work("read", 500, 500), Work("read+pgd", 100, 2100)


def step(view: str, images: int, passes: int, seconds: float, **left: Work) -> Step:
    """A step of an engine; all its time is computing."""
    kind = "read+pgd" if view.endswith("+pgd") else "read"
    timings = {kind: Timing(images, passes, 0.0, seconds)}
    return Step(view, images, passes, seconds, lambda: left, KEY, "engine", timings)


def state(view: str, images: int, seconds: float, at: float, **values: Any) -> ProcessState:
    return ProcessState(view, images, seconds, at, **values)


def planner(*works: Work, timings: Timings, **values: Any) -> ProcessState:
    """The state of a process that knows the work of the whole run."""
    left = {f"view {number}": WorkLeft(KEY, *work) for number, work in enumerate(works)}
    values = {"view": "clean", "images": 100, "seconds": 10.0, "at": 1.0, **values}
    return ProcessState(**values, left=left, timings={KEY: timings}, is_planner=True)


def test_a_process_writes_its_state(tmp_path: Path) -> None:
    writer = ProgressWriter(tmp_path / "run", "gw0")
    writer.add(step("clean", 32, 32, 0.5, clean=READ))
    (written,) = read_states(tmp_path / "run")
    assert (written.view, written.images, written.seconds, written.step) == ("clean", 32, 0.5, 0.5)
    assert written.left == {"clean": WorkLeft(KEY, *READ)}
    assert written.timings == {KEY: {"read": Timing(32, 32, 0.0, 0.5)}}
    assert written.peaks[0] > 1_000_000


@pytest.fixture
def within_half_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time passes that would have a process write again."""
    monkeypatch.setattr("quba_check.pytest_plugin.progress.REFRESH_SECONDS", math.inf)


@pytest.mark.usefixtures("within_half_a_second")
def test_it_writes_at_most_twice_a_second(tmp_path: Path) -> None:
    writer = ProgressWriter(tmp_path, "gw0")
    for _ in range(50):
        writer.add(step("clean", 1, 1, 0.1))
    assert read_states(tmp_path)[0].images == 1


@pytest.mark.usefixtures("within_half_a_second")
def test_a_view_that_begins_and_a_finished_set_are_written_at_once(tmp_path: Path) -> None:
    writer = ProgressWriter(tmp_path, "gw0")
    writer.add(step("clean", 8, 8, 0.1))
    writer.add(step("clean+pgd", 0, 2, 0.1))
    assert read_states(tmp_path)[0].view == "clean+pgd"
    writer.add(step("clean+pgd", 1, 19, 0.1, pgd=Work("read+pgd", 0, 0)))
    assert read_states(tmp_path)[0].images == 8
    writer.finish("clean+pgd", 1)
    (written,) = read_states(tmp_path)
    assert (written.images, written.finished) == (9, (("clean+pgd", 1),))
    assert written.left == {"pgd": WorkLeft(KEY, "read+pgd", 0, 0)}


def test_the_planner_writes_the_work_of_the_whole_run(tmp_path: Path) -> None:
    writer = ProgressWriter(tmp_path, "main")
    writer.plan({"a": WorkLeft(KEY, *READ), "b": WorkLeft(KEY, *PGD)}, {KEY: {"read": Timing(1, 1, 0, 1)}})
    writer.add(step("clean", 8, 8, 0.1, a=Work("read", 492, 492)))
    (written,) = read_states(tmp_path)
    assert written.is_planner
    assert written.left == {"a": WorkLeft(KEY, "read", 492, 492), "b": WorkLeft(KEY, *PGD)}
    assert written.earlier == {KEY: {"read": Timing(1, 1, 0, 1)}}


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "progress"
    ProgressWriter(folder, "main").announce("loading torch")
    assert read_states(folder) == []
    assert read_states(Path("x" * 300)) == []


def test_half_written_and_foreign_files_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"view": "cl')
    (tmp_path / "b.json").write_text('{"other": 1}')
    assert read_states(tmp_path) == []


def test_the_line_adds_processes_up() -> None:
    timings = {"read": Timing(100, 100, 0.0, 10.0)}
    states = [
        planner(Work("read", 460, 460), timings=timings, view=""),
        state("clean", 100, 10.0, at=1.0, timings={KEY: timings}),
        state("sketch", 60, 10.0, at=2.0, timings={KEY: timings}),
    ]
    # Two processes share 460 images of 0.1 s.
    assert progress_text(states, 100) == "measuring sketch · about 20 s left · 260 images · 26 images/s"


def test_the_line_names_the_view_that_runs_longest() -> None:
    fast = state("corruptions/fog/3", 100, 10.0, at=101.0, since=100.9)
    slow = state("clean+pgd", 0, 10.0, at=99.0, since=80.0)
    assert progress_text([fast, slow], 100).startswith("measuring clean+pgd · ")
    assert progress_text([slow, fast], 100).startswith("measuring clean+pgd · ")
    idle = state("clean+pgd", 0, 10.0, at=95.0, since=80.0)
    assert progress_text([fast, idle], 100).startswith("measuring corruptions/fog/3 · ")
    in_a_long_pass = state("clean+pgd", 0, 10.0, at=95.0, since=80.0, step=4.0)
    assert progress_text([fast, in_a_long_pass], 100).startswith("measuring clean+pgd · ")


def test_time_left_is_unknown_without_a_plan_and_before_enough_was_timed() -> None:
    timings = {"read": Timing(100, 100, 0.0, 10.0)}
    left = {"clean": WorkLeft(KEY, *READ)}
    unplanned = state("clean", 100, 10.0, at=1.0, left=left, timings={KEY: timings})
    assert run_time_left([unplanned]) is None
    assert run_time_left([planner(READ, timings=timings)]) == Estimate(50.0)
    assert run_time_left([planner(READ, timings={"read": Timing(10, 10, 0.0, 1.0)})]) is None
    assert run_time_left([planner(READ, timings={})]) is None


def test_work_of_a_model_that_was_not_timed_is_missing_from_the_least_time() -> None:
    first = planner(READ, timings={"read": Timing(100, 100, 0.0, 10.0)})
    other = replace(first, left={**first.left, "other": WorkLeft("other model", *READ)})
    assert run_time_left([other]) == Estimate(50.0, "at least")


def test_the_process_that_knows_of_most_finished_work_counts() -> None:
    timings = {"read": Timing(100, 100, 0.0, 10.0)}
    plan = planner(READ, READ, timings={}, view="")
    worker = state(
        "clean", 100, 10.0, at=1.0, timings={KEY: timings}, left={"view 0": WorkLeft(KEY, "read", 20, 20)}
    )
    assert run_time_left([plan, worker]) == Estimate(52.0)


def test_a_first_batch_of_an_attack_has_no_finished_image() -> None:
    assert progress_text([state("clean+pgd", 0, 10.0, at=1.0)], 80) == "measuring clean+pgd"


def test_work_before_the_images_is_named_until_a_view_runs() -> None:
    loading = state("loading torch", 0, 0.0, at=5.0, since=5.0, is_view=False)
    assert progress_text([loading], 80) == "loading torch"
    examining = state("doctor: examining demo", 9, 1.0, at=6.0, since=6.0, is_view=False)
    assert progress_text([loading, examining], 80) == "doctor: examining demo"
    view = state("clean", 0, 0.0, at=5.5, since=5.5)
    assert progress_text([loading, examining, view], 80) == "measuring clean · 9 images · 9 images/s"
    assert progress_text([state("", 9, 1.0, at=9.0, is_view=False)], 80) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "under 10 s"),
        (12, "about 10 s"),
        (80, "about 80 s"),
        (200, "about 3 min"),
        (2000, "about 35 min"),
        (9000, "about 2.5 h"),
        (100_000, "about 28 h"),
    ],
)
def test_time_in_words(seconds: float, words: str) -> None:
    assert time_text(Estimate(seconds)) == words


def test_the_bounds_of_a_time_in_words() -> None:
    assert time_text(Estimate(2, "at least")) == "at least 10 s"
    assert time_text(Estimate(200, "at most")) == "at most 3 min"


def test_the_speed_of_a_run_is_that_of_one_process_alone() -> None:
    timings = {"read": Timing(100, 100, 2.0, 10.0)}
    main = planner(READ, timings={"read": Timing(10, 10, 0.0, 0.5)})
    workers = [state("clean", 100, 12.0, at=1.0, timings={KEY: timings}, peaks=(n, 7)) for n in (500, 900)]
    assert run_speeds([main, *workers]) == {KEY: Speed({"read": Timing(200, 200, 2.0, 10.0)}, 900, 7)}
    assert run_speeds([main]) == {KEY: Speed({"read": Timing(10, 10, 0.0, 0.5)})}


def test_the_line_fits_its_width() -> None:
    text = progress_text([state("corruptions/elastic_transform/5", 10**7, 10.0, 0.0)], 40)
    assert len(text) == 40
    assert text.endswith("…")


def test_the_line_is_empty_before_the_first_view_and_no_speed_before_the_first_image() -> None:
    assert progress_text([], 80) == ""
    assert progress_text([state("clean", 0, 0.0, at=1.0)], 80) == "measuring clean"


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


class Clock:
    """A clock that tests move."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_log_has_a_line_for_every_finished_set_and_one_after_a_long_silence(tmp_path: Path) -> None:
    lines: list[str] = []
    clock = Clock()
    log = LogLines(tmp_path, lines.append, clock)
    writer = ProgressWriter(tmp_path, "gw0", log.update)
    other = ProgressWriter(tmp_path, "gw1", log.update)
    log.announce("loading torch")
    writer.plan({"pgd": WorkLeft(KEY, "read", 40_000, 40_000)}, {})
    writer.add(step("clean and clean+fgsm", 4000, 8000, 4.0))
    writer.finish("clean", 2000)
    writer.finish("clean+fgsm", 2000)
    other.finish("clean", 2000)  # both saw that nothing was missing
    clock.now = LOG_SECONDS - 1
    writer.add(step("clean+pgd", 0, 2000, 4.0))
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
        "quba-check: loading torch",
        "quba-check: clean: 2,000 images, 1,000 images/s, about 20 s left",
        "quba-check: clean+fgsm: 2,000 images, 1,000 images/s, about 20 s left",
        "quba-check: measuring clean+pgd, 4,000 images, 500 images/s, about 80 s left",
        "a test passed",
    ]


def test_a_log_prints_the_states_of_other_processes(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    log = LogLines(tmp_path, lambda text: os.write(writing, text.encode()) and None)
    log.watch()
    ProgressWriter(tmp_path, "gw0").finish("sketch", 500)
    assert os.read(reading, 100) == b"quba-check: sketch: 500 images"
    log.close()
    log.close()
