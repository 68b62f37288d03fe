"""The progress line: what it says, and that it leaves nothing behind."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from quba_check.progress import Board, Display, State, line, read_states


def test_a_process_writes_what_it_did(tmp_path: Path) -> None:
    board = Board(tmp_path / "run", "gw0")
    board.add("clean", 32, 1, 0.5, lambda: 500)
    (state,) = read_states(tmp_path / "run")
    assert (state.view, state.images, state.passes, state.left) == ("clean", 32, 32, 500)
    assert state.seconds == 0.5


def test_it_writes_at_most_twice_a_second(tmp_path: Path) -> None:
    board = Board(tmp_path, "gw0")
    for _ in range(50):
        board.add("clean", 1, 1, 0.1, lambda: 7)
    assert read_states(tmp_path)[0].images == 1


def test_half_written_and_foreign_files_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"view": "cl')
    (tmp_path / "b.json").write_text('{"other": 1}')
    assert read_states(tmp_path) == []


def test_the_line_adds_processes_up() -> None:
    states = [
        State("clean", 100, 100, 900, 10.0, at=1.0),
        State("clean+pgd", 10, 210, 700, 10.0, at=2.0),
    ]
    assert line(states, 100) == "measuring clean+pgd · 110 images · 11 images/s · 23 s left"


@pytest.mark.parametrize(
    ("left", "words"), [(80, "80 s left"), (600, "10 min left"), (36_000, "10.0 h left")]
)
def test_time_left_in_words(left: int, words: str) -> None:
    assert line([State("clean", 10, 10, left, 10.0, 0.0)], 100).endswith(words)


def test_the_line_fits_its_width() -> None:
    text = line([State("corruptions/elastic_transform/5", 10**7, 10**7, 10**9, 10.0, 0.0)], 40)
    assert len(text) == 40
    assert text.endswith("…")


def test_nothing_is_said_before_the_first_view_and_no_speed_before_the_first_image() -> None:
    assert line([], 80) == ""
    assert line([State("clean", 0, 0, 900, 0.0, at=1.0)], 80) == "measuring clean"


def test_the_line_stands_below_the_cursor_and_is_erased(tmp_path: Path) -> None:
    reading, writing = os.openpty()
    Board(tmp_path, "main").add("clean", 5, 1, 1.0, lambda: 10)
    display = Display(tmp_path, writing)
    seen = ""
    deadline = time.monotonic() + 10
    while "left" not in seen and time.monotonic() < deadline:
        seen += os.read(reading, 4096).decode()
    with display.aside():
        seen += os.read(reading, 4096).decode()
    display.close()
    os.close(writing)
    assert "\x1bD\x1b7\r\x1b[Kmeasuring clean · 5 images · 5 images/s · 2 s left\x1b8\x1b[A" in seen
    assert seen.endswith("\x1b7\x1b[B\r\x1b[K\x1b8")
