"""Progress of a run: processes write their state to files, the controller reads them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.text import Text

REFRESH_SECONDS = 0.5
_STALE_SECONDS = 10 * REFRESH_SECONDS


@dataclass(frozen=True, slots=True)
class ProcessState:
    """The progress of one process.

    Attributes:
        view: the view being predicted, or other work such as `loading torch`.
        images: number of predicted images.
        passes: forward and backward passes, counted in images.
        left: passes left in the whole run, as far as this process knows.
        seconds: time taken by the passes.
        at: Unix time of writing.
        since: Unix time of the view's first shard.
        is_view: False for other work.
        finished: names and numbers of images of the sets that a shard of this process completed.
    """

    view: str
    images: int
    passes: int
    left: int
    seconds: float
    at: float
    since: float = 0.0
    is_view: bool = True
    finished: tuple[tuple[str, int], ...] = ()


class ProgressWriter:
    """Writes the state of this process to a file.

    It writes at most twice a second, and after a change of view or a finished set.

    Args:
        folder: shared by the processes of a run.
        name: of this process.
        after_write: called after every write.
    """

    def __init__(self, folder: Path, name: str, after_write: Callable[[], None] | None = None) -> None:
        self._file = folder / f"{name}.json"
        self._after_write = after_write
        self._refreshed = 0.0
        self._view, self._is_view, self._since = "", False, 0.0
        self._images = self._passes = self._left = 0
        self._seconds = 0.0
        self._count_left: Callable[[], int] = int
        self._finished: list[tuple[str, int]] = []

    def announce(self, words: str) -> None:
        """Write a step without images, such as `loading torch`; empty for none."""
        self._change(words, is_view=False)
        self._write()

    def add(self, view: str, images: int, passes: int, seconds: float, left: Callable[[], int]) -> None:
        """Add images and passes of a view; 0 at its beginning.

        Args:
            view: name of the view.
            images: images finished since the previous call.
            passes: passes since then, counted in images.
            seconds: time since then.
            left: returns the passes left; called at most twice a second.
        """
        self._images += images
        self._passes += passes
        self._seconds += seconds
        self._count_left = left
        is_other = view != self._view
        self._change(view, is_view=True)
        if time.monotonic() - self._refreshed >= REFRESH_SECONDS:
            self._refresh()
        elif is_other:
            self._write()

    def finish(self, name: str, images: int) -> None:
        """Write a complete set with its number of images."""
        self._finished.append((name, images))
        self._refresh()

    def _change(self, view: str, *, is_view: bool) -> None:
        if view != self._view:
            self._view, self._is_view, self._since = view, is_view, time.time()

    def _refresh(self) -> None:
        self._refreshed = time.monotonic()
        self._left = self._count_left()
        self._write()

    def _write(self) -> None:
        state = ProcessState(
            self._view,
            self._images,
            self._passes,
            self._left,
            self._seconds,
            time.time(),
            self._since,
            self._is_view,
            tuple(self._finished),
        )
        with suppress(OSError):  # predictions report a store that cannot be written
            self._file.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._file.with_suffix(".tmp")
            temporary.write_text(json.dumps(asdict(state)))
            temporary.replace(self._file)
        if self._after_write is not None:
            self._after_write()


def read_states(folder: Path) -> list[ProcessState]:
    """Return the states of all processes of a run, without half-written or foreign files."""
    states = []
    with suppress(OSError):
        for file in sorted(folder.glob("*.json")):
            with suppress(OSError, ValueError, TypeError, KeyError):
                content = json.loads(file.read_text())
                content["finished"] = tuple((name, images) for name, images in content["finished"])
                states.append(ProcessState(**content))
    return states


def progress_text(states: list[ProcessState], width: int) -> str:
    """Return view, images, images a second and time left as one line.

    It is empty before the first view. Of several processes it names the view that has been running longest.

    >>> progress_text([ProcessState("corruptions/fog/3", 900, 900, 1800, 3.0, 0.0)], 80)
    'measuring corruptions/fog/3 · 900 images · 300 images/s · 6 s left'
    """
    state = slowest_state(states)
    if state is None:
        return ""
    text = Text(" · ".join([work_text(state), *(image_counts(states) if state.is_view else ())]))
    text.truncate(width, overflow="ellipsis")
    return text.plain


def slowest_state(states: list[ProcessState]) -> ProcessState | None:
    """Return the recent state with the oldest view, or other work without a view.

    A process without work stops writing, so its last view soon disappears.
    """
    newest = max((state.at for state in states), default=0.0)
    recent = [state for state in states if state.view and state.at > newest - _STALE_SECONDS]
    views = [state for state in recent if state.is_view]
    if views:
        return min(views, key=lambda state: (state.since, -state.at))
    return max(recent, key=lambda state: state.at, default=None)


def work_text(state: ProcessState) -> str:
    """Return the work of a process."""
    return f"measuring {state.view}" if state.is_view else state.view


def image_counts(states: list[ProcessState]) -> list[str]:
    """Return images so far, and speed and time left."""
    images = sum(state.images for state in states)
    return [f"{images:,} images", *speed_and_time_left(states)] if images else speed_and_time_left(states)


def speed_and_time_left(states: list[ProcessState]) -> list[str]:
    """Return images a second and time left, each if known."""
    working = [state for state in states if state.seconds > 0]
    rate = sum(state.images / state.seconds for state in working)
    speed = sum(state.passes / state.seconds for state in working)
    views = [state for state in states if state.is_view]
    newest = max((state.at for state in views), default=0.0)
    # The process that knows of the most finished work has the best estimate.
    left = min((state.left for state in views if state.at > newest - _STALE_SECONDS), default=0)
    words = [f"{rate:,.0f} images/s"] if rate else []
    seconds = left / speed if speed else 0.0
    return [*words, f"{_duration(seconds)} left"] if seconds >= 0.5 else words


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
