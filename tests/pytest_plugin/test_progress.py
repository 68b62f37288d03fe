"""Progress: the states of processes, the terminal line and log lines."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from quba_check.pytest_plugin.progress import ProcessState, ProgressWriter, progress_text, read_states
from quba_check.pytest_plugin.progress_line import LOG_SECONDS, LogLines, TerminalLine


def test_a_process_writes_its_state(tmp_path: Path) -> None:
    writer = ProgressWriter(tmp_path / "run", "gw0")
    writer.add("clean", 32, 32, 0.5, lambda: 500)
    (state,) = read_states(tmp_path / "run")
    assert (state.view, state.images, state.passes, state.left) == ("clean", 32, 32, 500)
    assert state.seconds == 0.5


@pytest.fixture
def within_half_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time passes that would have a process write again."""
    monkeypatch.setattr("quba_check.pytest_plugin.progress.REFRESH_SECONDS", math.inf)


@pytest.mark.usefixtures("within_half_a_second")
def test_it_writes_at_most_twice_a_second(tmp_path: Path) -> None:
    writer = ProgressWriter(tmp_path, "gw0")
    for _ in range(50):
        writer.add("clean", 1, 1, 0.1, lambda: 7)
    assert read_states(tmp_path)[0].images == 1


@pytest.mark.usefixtures("within_half_a_second")
def test_a_view_that_begins_and_a_finished_set_are_written_at_once(tmp_path: Path) -> None:
    writer = ProgressWriter(tmp_path, "gw0")
    writer.add("clean", 8, 8, 0.1, lambda: 30)
    writer.add("clean+pgd", 0, 0, 0.0, lambda: 21)
    assert read_states(tmp_path)[0].view == "clean+pgd"
    writer.add("clean+pgd", 1, 21, 0.1, lambda: 0)
    assert read_states(tmp_path)[0].images == 8
    writer.finish("clean+pgd", 1)
    (state,) = read_states(tmp_path)
    assert (state.images, state.left, state.finished) == (9, 0, (("clean+pgd", 1),))


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
    states = [
        ProcessState("clean", 100, 100, 900, 10.0, at=1.0),
        ProcessState("clean+pgd", 10, 210, 700, 10.0, at=2.0),
    ]
    assert progress_text(states, 100) == "measuring clean+pgd · 110 images · 11 images/s · 23 s left"


def test_the_line_names_the_view_that_runs_longest() -> None:
    fast = ProcessState("corruptions/fog/3", 100, 100, 900, 10.0, at=101.0, since=100.9)
    slow = ProcessState("clean+pgd", 0, 210, 700, 10.0, at=99.0, since=80.0)
    assert progress_text([fast, slow], 100).startswith("measuring clean+pgd · ")
    assert progress_text([slow, fast], 100).startswith("measuring clean+pgd · ")
    idle = ProcessState("clean+pgd", 0, 210, 700, 10.0, at=95.0, since=80.0)
    assert progress_text([fast, idle], 100).startswith("measuring corruptions/fog/3 · ")


def test_time_left_moves_within_a_batch_of_an_attack() -> None:
    steps = [ProcessState("clean+pgd", 400, 400 + 42 * k, 210 - 42 * k, 10.0 + k, at=1.0) for k in range(4)]
    assert [progress_text([state], 100).rpartition(" · ")[2] for state in steps] == [
        "5 s left",
        "4 s left",
        "3 s left",
        "2 s left",
    ]


def test_a_first_batch_of_an_attack_has_no_finished_image() -> None:
    assert (
        progress_text([ProcessState("clean+pgd", 0, 100, 100, 10.0, at=1.0)], 80)
        == "measuring clean+pgd · 10 s left"
    )


def test_work_before_the_images_is_named_until_a_view_runs() -> None:
    loading = ProcessState("loading torch", 0, 0, 0, 0.0, at=5.0, since=5.0, is_view=False)
    assert progress_text([loading], 80) == "loading torch"
    examining = ProcessState("doctor: examining demo", 9, 9, 9, 1.0, at=6.0, since=6.0, is_view=False)
    assert progress_text([loading, examining], 80) == "doctor: examining demo"
    view = ProcessState("clean", 0, 0, 90, 0.0, at=5.5, since=5.5)
    assert (
        progress_text([loading, examining, view], 80) == "measuring clean · 9 images · 9 images/s · 10 s left"
    )
    assert progress_text([ProcessState("", 9, 9, 0, 1.0, at=9.0, is_view=False)], 80) == ""


@pytest.mark.parametrize(
    ("left", "words"), [(80, "80 s left"), (600, "10 min left"), (36_000, "10.0 h left")]
)
def test_time_left_in_words(left: int, words: str) -> None:
    assert progress_text([ProcessState("clean", 10, 10, left, 10.0, 0.0)], 100).endswith(words)


def test_the_line_fits_its_width() -> None:
    text = progress_text(
        [ProcessState("corruptions/elastic_transform/5", 10**7, 10**7, 10**9, 10.0, 0.0)], 40
    )
    assert len(text) == 40
    assert text.endswith("…")


def test_the_line_is_empty_before_the_first_view_and_no_speed_before_the_first_image() -> None:
    assert progress_text([], 80) == ""
    assert progress_text([ProcessState("clean", 0, 0, 900, 0.0, at=1.0)], 80) == "measuring clean"


def test_the_line_stands_below_the_cursor_and_is_erased(tmp_path: Path) -> None:
    reading, writing = os.openpty()
    ProgressWriter(tmp_path, "main").add("clean", 5, 5, 1.0, lambda: 10)
    display = TerminalLine(tmp_path, writing)
    seen = ""
    while "left" not in seen:
        seen += os.read(reading, 4096).decode()
    with display.pause():
        seen += os.read(reading, 4096).decode()
    display.close()
    os.close(writing)
    assert "\x1bD\x1b7\r\x1b[Kmeasuring clean · 5 images · 5 images/s · 2 s left\x1b8\x1b[A" in seen
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
    writer.add("clean and clean+fgsm", 4000, 8000, 4.0, lambda: 600_000)
    writer.finish("clean", 2000)
    writer.finish("clean+fgsm", 2000)
    other.finish("clean", 2000)  # both saw that nothing was missing
    clock.now = LOG_SECONDS - 1
    writer.add("clean+pgd", 0, 2000, 1.0, lambda: 598_000)
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
        "quba-check: clean: 2,000 images, 1,000 images/s, 5 min left",
        "quba-check: clean+fgsm: 2,000 images, 1,000 images/s, 5 min left",
        "quba-check: measuring clean+pgd, 4,000 images, 800 images/s, 5 min left",
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
