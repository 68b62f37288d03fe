"""Progress of a run: processes write their state to files, the controller reads them."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from quba_check.storage.atomic import write_atomically
from quba_check.storage.user_files import parse_json

if TYPE_CHECKING:
    from quba_check.core.work import Step

REFRESH_SECONDS = 0.5
RECENT_SECONDS = 60.0
"""Seconds of work whose passes give the speed of a process."""
STEADY_SECONDS = 0.1
"""Seconds of work below which a speed says little."""
_STALE_SECONDS = 10 * REFRESH_SECONDS


@dataclass(frozen=True, slots=True)
class ProcessState:
    """The progress of one process.

    Attributes:
        view: the view being predicted, or other work such as `loading torch`.
        images: number of predicted images.
        seconds: time taken by the passes.
        at: Unix time of writing.
        since: Unix time of the view's first shard.
        step: seconds of the last pass of a batch.
        is_view: False for other work.
        done: passes of the plan that this process has done.
        speed: passes of the plan a second of late; 0 if unknown.
        plan: passes of the whole run; only of the process that plans it.
    """

    view: str
    images: int
    seconds: float
    at: float
    since: float = 0.0
    step: float = 0.0
    is_view: bool = True
    done: float = 0.0
    speed: float = 0.0
    plan: float | None = None


class ProgressWriter:
    """Writes the state of this process to a file.

    It writes at most twice a second, and after a change of view.

    Args:
        folder: shared by the processes of a run.
        name: of this process.
        after_write: called after every write.
    """

    def __init__(self, folder: Path, name: str, after_write: Callable[[], None] = lambda: None) -> None:
        self._file = folder / f"{name}.json"
        self._after_write = after_write
        self._refreshed = 0.0
        self._state = ProcessState("", 0, 0.0, 0.0, is_view=False)
        self._marks = deque([(0.0, 0.0)])
        """Seconds and passes of the plan after each recent step."""

    def announce(self, words: str) -> None:
        """Write a step without images, such as `loading torch`; empty for none."""
        self._change(words, is_view=False)
        self._write()

    def measure(self, words: str) -> None:
        """Write long work without images, such as `class texts, 64 of 80 read`."""
        if self._change(words, is_view=True):
            self._write()

    def plan(self, passes: float) -> None:
        """Write the passes of the work left in the whole run."""
        self._state = replace(self._state, plan=self._state.done + passes)
        self._write()

    def add(self, step: Step) -> None:
        """Add the work of an engine since its previous step."""
        is_other = self._change(step.view, is_view=True)
        state = self._state
        images = state.images + step.images
        seconds = state.seconds + step.seconds
        done = state.done + step.planned
        self._marks.append((seconds, done))
        while len(self._marks) > 2 and self._marks[1][0] <= seconds - RECENT_SECONDS:
            self._marks.popleft()
        self._state = replace(
            state, images=images, seconds=seconds, step=step.seconds, done=done, speed=self._speed()
        )
        if is_other or time.monotonic() - self._refreshed >= REFRESH_SECONDS:
            self._write()

    def _change(self, view: str, *, is_view: bool) -> bool:
        """Note the present work; return True if it is another one."""
        if view == self._state.view:
            return False
        self._state = replace(self._state, view=view, is_view=is_view, since=time.time())
        return True

    def _speed(self) -> float:
        """Return passes a second of late.

        If no image was finished of late, they are those of the whole run.
        """
        (start, before), (seconds, done) = self._marks[0], self._marks[-1]
        if seconds < STEADY_SECONDS:
            return 0.0
        return max(0.0, (done - before) / (seconds - start) if done > before else done / seconds)

    def _write(self) -> None:
        self._refreshed = time.monotonic()
        state = replace(self._state, at=time.time())
        with suppress(OSError):  # predictions report a store that cannot be written
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._file, json.dumps(asdict(state)).encode())
        self._after_write()


def read_states(folder: Path) -> list[ProcessState]:
    """Return the states of all processes of a run, without half-written or foreign files."""
    states = []
    with suppress(OSError):
        for file in sorted(folder.glob("*.json")):
            with suppress(OSError, ValueError, TypeError, KeyError):
                states.append(ProcessState(**parse_json(file.read_text())))
    return states


def progress_text(states: list[ProcessState], width: int) -> str:
    """Return view, time left, images and images a second as one line.

    It is empty before the first view. Of several processes it names the view that has been running longest.

    >>> progress_text([ProcessState("corruptions/fog/3", 900, 3.0, 0.0)], 80)
    'measuring corruptions/fog/3 · 900 images · 300 images/s'
    """
    run = run_progress(states)
    if run is None:
        recent = _recent(states)
        words = [max(recent, key=lambda state: state.at).view] if recent else []
    else:
        view, counts, left = run
        words = [view, *left, *counts]  # a narrow terminal cuts the end, so the time comes first
    text = Text(" · ".join(words))
    text.truncate(width, overflow="ellipsis")
    return text.plain


def run_progress(states: list[ProcessState]) -> tuple[str, list[str], list[str]] | None:
    """Return the oldest view of a run, its images and speed, and the time left.

    Unknown numbers are left out; None while no view runs. A process without work stops writing, so its last
    view soon disappears.
    """
    views = [state for state in _recent(states) if state.is_view]
    if not views:
        return None
    oldest = min(views, key=lambda state: (state.since, -state.at))
    images = sum(state.images for state in states)
    rate = sum(state.images / state.seconds for state in states if state.seconds > 0)
    counts = [f"{images:,} images"] * bool(images) + [f"{rate:,.0f} images/s"] * bool(rate)
    seconds = run_time_left(states)
    return f"measuring {oldest.view}", counts, [f"{time_text(seconds)} left"] if seconds else []


def _recent(states: list[ProcessState]) -> list[ProcessState]:
    """Return the states of processes that work; a pass of a batch may take long."""
    newest = max((state.at for state in states), default=0.0)
    return [
        state for state in states if state.view and state.at > newest - max(_STALE_SECONDS, 3 * state.step)
    ]


def run_time_left(states: list[ProcessState]) -> float | None:
    """Return the seconds left: the passes left divided by the passes a second of late.

    It is None before both are known.
    """
    plan = next((state.plan for state in states if state.plan is not None), None)
    left = None if plan is None else max(0.0, plan - sum(state.done for state in states))
    running = [state for state in _recent(states) if state.is_view and state.speed]
    speed = sum(state.speed for state in running or states)
    if left is None or (left and not speed):
        return None
    return left / speed if left else 0.0


def time_text(seconds: float) -> str:
    """Return a duration, rounded to what an estimate can tell.

    >>> [time_text(seconds) for seconds in (4, 44, 100, 700, 4000, 20000)]
    ['under 10 s', 'about 40 s', 'about 2 min', 'about 12 min', 'about 65 min', 'about 5.5 h']
    """
    if seconds < 10:
        return "under 10 s"
    if seconds < 90:
        return f"about {10 * round(seconds / 10)} s"
    if seconds < 1800:
        return f"about {seconds / 60:.0f} min"
    if seconds < 5400:
        return f"about {5 * round(seconds / 300)} min"
    return f"about {round(seconds / 1800) / 2:g} h"
