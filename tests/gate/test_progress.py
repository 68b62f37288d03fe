"""Progress: the states of processes, the time left, and the line of progress."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from quba_check.core.work import Step
from quba_check.gate.progress import (
    STEADY_SECONDS,
    ProcessState,
    ProgressWriter,
    progress_text,
    read_states,
    run_time_left,
)


def step(view: str, images: int, planned: float, seconds: float) -> Step:
    return Step(view, images, round(planned), planned, seconds)


def state(view: str, images: int, seconds: float, at: float, **values: Any) -> ProcessState:
    return ProcessState(view, images, seconds, at, **values)


def planner(plan: float, **values: Any) -> ProcessState:
    """The state of a process that knows the passes of the whole run."""
    return state(**{"view": "", "images": 100, "seconds": 10.0, "at": 1.0, "plan": plan, **values})


def test_a_process_writes_its_state(tmp_path: Path) -> None:
    writer = ProgressWriter(tmp_path / "run", "gw0")
    writer.add(step("clean", 32, 32, 4.0))
    (written,) = read_states(tmp_path / "run")
    assert (written.view, written.images, written.seconds, written.step) == ("clean", 32, 4.0, 4.0)
    assert (written.done, written.speed) == (32, 8.0)


def speed_after(folder: Path, *steps: Step) -> float:
    """The speed of a process after its steps."""
    writer = ProgressWriter(folder, "gw0")
    for each in steps:
        writer.add(each)
    writer.announce("")
    return read_states(folder)[0].speed


def test_the_speed_is_that_of_the_last_minute(tmp_path: Path) -> None:
    fast = step("clean", 1000, 1000, 1.0)
    slow = step("corruptions/fog/3", 100, 100, 1.0)
    assert speed_after(tmp_path, *[fast] * 100) == 1000
    assert speed_after(tmp_path, *[fast] * 100, *[slow] * 90) == 100
    half = speed_after(tmp_path, *[fast] * 100, *[slow] * 30)
    assert half == pytest.approx(550)


def test_a_speed_is_unknown_at_first_and_that_of_the_run_while_no_image_is_finished(tmp_path: Path) -> None:
    assert speed_after(tmp_path, step("clean", 10, 10, STEADY_SECONDS / 2)) == 0
    attack = [step("clean+pgd", 0, 0, 10.0)] * 9
    assert speed_after(tmp_path, step("clean", 1000, 1000, 10.0), *attack) == 10
    assert speed_after(tmp_path, step("clean", 10, 10, 5.0), step("clean", -10, -10, 5.0)) == 0


@pytest.fixture
def within_half_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time passes that would have a process write again."""
    monkeypatch.setattr("quba_check.gate.progress.REFRESH_SECONDS", math.inf)


@pytest.mark.usefixtures("within_half_a_second")
def test_it_writes_at_most_twice_a_second(tmp_path: Path) -> None:
    writer = ProgressWriter(tmp_path, "gw0")
    for _ in range(50):
        writer.add(step("clean", 1, 1, 0.1))
    assert read_states(tmp_path)[0].images == 1


@pytest.mark.usefixtures("within_half_a_second")
def test_a_view_that_begins_is_written_at_once(tmp_path: Path) -> None:
    writer = ProgressWriter(tmp_path, "gw0")
    writer.add(step("clean", 8, 8, 0.1))
    writer.add(step("clean+pgd", 0, 2, 0.1))
    assert read_states(tmp_path)[0].view == "clean+pgd"
    writer.add(step("clean+pgd", 1, 21, 0.1))
    assert read_states(tmp_path)[0].images == 8


def test_the_planner_writes_the_work_of_the_whole_run(tmp_path: Path) -> None:
    writer = ProgressWriter(tmp_path, "main")
    writer.add(step("clean", 8, 8, 0.1))
    writer.plan(2_600)
    (written,) = read_states(tmp_path)
    assert (written.done, written.plan) == (8, 2_608)


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


def test_the_line_names_the_view_that_runs_longest() -> None:
    fast = state("corruptions/fog/3", 100, 10.0, at=101.0, since=100.9)
    slow = state("clean+pgd", 0, 10.0, at=99.0, since=80.0)
    assert progress_text([fast, slow], 100).startswith("measuring clean+pgd · ")
    assert progress_text([slow, fast], 100).startswith("measuring clean+pgd · ")
    idle = state("clean+pgd", 0, 10.0, at=95.0, since=80.0)
    assert progress_text([fast, idle], 100).startswith("measuring corruptions/fog/3 · ")
    in_a_long_pass = state("clean+pgd", 0, 10.0, at=95.0, since=80.0, step=4.0)
    assert progress_text([fast, in_a_long_pass], 100).startswith("measuring clean+pgd · ")


def test_time_left_is_unknown_without_a_plan_and_before_a_speed_is_known() -> None:
    assert run_time_left([]) is None
    assert run_time_left([state("clean", 100, 10.0, at=1.0, speed=10.0)]) is None
    assert run_time_left([planner(500)]) is None
    assert run_time_left([planner(500, speed=10.0)]) == 50.0
    assert run_time_left([planner(500, done=500)]) == 0.0


def test_time_left_counts_on_the_processes_that_work() -> None:
    worker = state("corruptions/fog/3", 100, 10.0, at=1.0, speed=20.0, done=100)
    assert run_time_left([planner(500, speed=10.0), worker]) == 20.0


LOADING = state("loading torch", 0, 0.0, at=5.0, since=5.0, is_view=False)
EXAMINING = state("doctor: examining demo", 9, 1.0, at=6.0, since=6.0, is_view=False)
THREE = (
    planner(560, done=100, speed=50.0),
    state("clean", 100, 10.0, at=1.0, speed=10.0),
    state("sketch", 60, 10.0, at=2.0, speed=13.0),
)


@pytest.mark.parametrize(
    ("states", "line"),
    [
        ([], ""),
        ([LOADING], "loading torch"),
        ([LOADING, EXAMINING], "doctor: examining demo"),
        ([LOADING, EXAMINING, state("clean", 0, 0.0, at=5.5)], "measuring clean · 9 images · 9 images/s"),
        ([state("", 9, 1.0, at=9.0, is_view=False)], ""),
        ([state("clean", 0, 0.0, at=1.0)], "measuring clean"),
        ([state("clean+pgd", 0, 10.0, at=1.0)], "measuring clean+pgd"),  # no image is finished
        (THREE, "measuring sketch · about 20 s left · 260 images · 26 images/s"),
    ],
)
def test_the_line(states: Sequence[ProcessState], line: str) -> None:
    assert progress_text(list(states), 100) == line


def test_the_line_fits_its_width() -> None:
    text = progress_text([state("corruptions/elastic_transform/5", 10**7, 10.0, 0.0)], 40)
    assert len(text) == 40
    assert text.endswith("…")
