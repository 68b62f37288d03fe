"""How far a run is: every process writes down what it did, one of them draws a line of it.

The line stands one row below pytest's cursor and is erased before pytest writes: pytest owns its own row,
under xdist as without. Nothing is drawn where output is not a terminal.
"""

from __future__ import annotations

import io
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

REFRESH_SECONDS = 0.5
_DOWN, _UP, _SAVE, _RESTORE, _ERASE, _STEP_DOWN = "\x1bD", "\x1b[A", "\x1b7", "\x1b8", "\r\x1b[K", "\x1b[B"


@dataclass(frozen=True, slots=True)
class State:
    """What one process has done so far.

    Attributes:
        view: the view it worked on last.
        images: images it predicted.
        passes: forward and backward passes that this took, in images.
        left: passes that the whole run still needs, as this process sees it.
        seconds: time that this took.
        at: Unix time of writing.
    """

    view: str
    images: int
    passes: int
    left: int
    seconds: float
    at: float


class Board:
    """Writes the state of this process to a file of its own, at most twice a second.

    Args:
        folder: shared by the processes of a run.
        name: of this process.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._file = folder / f"{name}.json"
        self._written = 0.0
        self._images = self._passes = 0
        self._seconds = 0.0

    def add(self, view: str, images: int, passes: int, seconds: float, left: Callable[[], int]) -> None:
        """Count images that were predicted, none for a view that is begun; `left` is asked when writing."""
        self._images += images
        self._passes += images * passes
        self._seconds += seconds
        now = time.monotonic()
        if now - self._written < REFRESH_SECONDS:
            return
        self._written = now
        state = State(view, self._images, self._passes, left(), self._seconds, time.time())
        self._file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._file.with_suffix(".tmp")
        temporary.write_text(json.dumps(asdict(state)))
        temporary.replace(self._file)


def read_states(folder: Path) -> list[State]:
    """The states of all processes of a run; half-written or foreign files are passed over."""
    states = []
    for file in sorted(folder.glob("*.json")):
        try:
            states.append(State(**json.loads(file.read_text())))
        except (OSError, ValueError, TypeError):
            continue
    return states


def line(states: list[State], width: int) -> str:
    """One line of text: view, images, images a second, time left. Empty before the first view.

    >>> line([State("corruptions/fog/3", 900, 900, 1800, 3.0, 0.0)], 80)
    'measuring corruptions/fog/3 · 900 images · 300 images/s · 6 s left'
    """
    rate = sum(state.images / state.seconds for state in states if state.seconds > 0)
    speed = sum(state.passes / state.seconds for state in states if state.seconds > 0)
    if not states:
        return ""
    latest = max(states, key=lambda state: state.at)
    words = [f"measuring {latest.view}"]
    if speed:
        images = sum(state.images for state in states)
        words += [f"{images:,} images", f"{rate:,.0f} images/s", f"{_duration(latest.left / speed)} left"]
    text = Text(" · ".join(words))
    text.truncate(width, overflow="ellipsis")
    return text.plain


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Display:
    """Draws the line of a folder's states, from a thread of its own.

    Args:
        folder: where the processes write.
        descriptor: a terminal; duplicated, since pytest captures the usual one.
    """

    def __init__(self, folder: Path, descriptor: int) -> None:
        self._folder = folder
        self._terminal = io.TextIOWrapper(
            os.fdopen(os.dup(descriptor), "wb"), encoding="utf-8", errors="replace"
        )
        self._drawn = False
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._draw_until_over, name="quba-progress", daemon=True)
        self._thread.start()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Keep the line away while somebody else writes to the terminal."""
        with self._lock:
            self._erase()
            yield

    def close(self) -> None:
        """Erase the line and stop."""
        self._over.set()
        self._thread.join()
        with self._lock:
            self._erase()
            self._terminal.close()

    def _draw_until_over(self) -> None:
        while not self._over.wait(REFRESH_SECONDS):
            # The last column stays empty: a terminal may wrap when it is filled.
            text = line(read_states(self._folder), Console().width - 1)
            with self._lock:
                if text and not self._over.is_set():
                    self._write(f"{_DOWN}{_SAVE}{_ERASE}{text}{_RESTORE}{_UP}")
                    self._drawn = True

    def _erase(self) -> None:
        if self._drawn:
            self._write(f"{_SAVE}{_STEP_DOWN}{_ERASE}{_RESTORE}")
            self._drawn = False

    def _write(self, text: str) -> None:
        self._terminal.write(text)
        self._terminal.flush()
