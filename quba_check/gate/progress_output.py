"""Progress output: one line on a terminal, plain lines in a log.

On a terminal the line is one row below pytest's cursor and is erased before pytest writes, so that pytest has
its row for itself, with and without xdist. Elsewhere a plain line is printed every 30 seconds while images
are predicted.
"""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from quba_check.gate.progress import (
    REFRESH_SECONDS,
    image_counts,
    progress_text,
    read_states,
    slowest_state,
    words_left,
    work_text,
)

LOG_SECONDS = 30.0
"""Longest silence of a log while images are predicted, unless a single pass takes longer."""
_DOWN, _UP, _SAVE, _RESTORE, _ERASE, _STEP_DOWN = "\x1bD", "\x1b[A", "\x1b7", "\x1b8", "\r\x1b[K", "\x1b[B"


class ProgressOutput:
    """Output of the states of all processes, from a thread once it watches; here nothing.

    Args:
        folder: of the processes' states.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.RLock()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self) -> None:
        """Update from a thread until the end."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._update_until_end, name="quba-progress", daemon=True)
            self._thread.start()

    def _update_until_end(self) -> None:
        while not self._end.wait(REFRESH_SECONDS):
            self.update()

    def update(self) -> None:
        """Show the states."""

    def announce(self, words: str) -> None:
        """Show a step that precedes predictions, if the states do not show it."""

    def hide(self) -> None:
        """Show nothing until the end of the next `pause`."""

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Show nothing while other code writes."""
        with self._lock:
            yield

    def close(self) -> None:
        """Stop watching."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()


class TerminalLine(ProgressOutput):
    """Draws progress as a line on a terminal.

    Args:
        folder: of the processes' states.
        descriptor: a terminal; duplicated, since pytest captures the usual one.
    """

    def __init__(self, folder: Path, descriptor: int) -> None:
        super().__init__(folder)
        self._terminal = io.TextIOWrapper(
            os.fdopen(os.dup(descriptor), "wb"), encoding="utf-8", errors="replace"
        )
        self._is_drawn = self._is_hidden = False
        self.watch()

    def update(self) -> None:
        """Draw the line."""
        # The last column stays empty: a terminal may wrap a full line.
        text = progress_text(read_states(self._folder), Console().width - 1)
        with self._lock:
            if text and not self._is_hidden and not self._end.is_set():
                self._write(f"{_DOWN}{_SAVE}{_ERASE}{text}{_RESTORE}{_UP}")
                self._is_drawn = True

    def hide(self) -> None:
        """Erase the line until the end of the next `pause`."""
        with self._lock:
            self._erase()
            self._is_hidden = True

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Erase the line while other code writes to the terminal."""
        with super().pause():
            self.hide()
            yield
            self._is_hidden = False

    def close(self) -> None:
        """Erase the line and stop; a second call does nothing."""
        super().close()
        with self._lock:
            self._erase()
            self._terminal.close()

    def _erase(self) -> None:
        if self._is_drawn:
            self._write(f"{_SAVE}{_STEP_DOWN}{_ERASE}{_RESTORE}")
            self._is_drawn = False

    def _write(self, text: str) -> None:
        self._terminal.write(text)
        self._terminal.flush()


class LogLines(ProgressOutput):
    """Prints progress as plain lines, one every 30 seconds.

    Args:
        folder: of the processes' states.
        write: prints a line.
        clock: seconds of a monotonic clock.
    """

    def __init__(
        self, folder: Path, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(folder)
        self._write = write
        self._clock = clock
        self._last_print = clock()
        self._last_state = 0.0

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Print what is new, then print nothing while other code writes."""
        with super().pause():
            self.update()
            yield

    def announce(self, words: str) -> None:
        """Print a step that precedes predictions."""
        with self._lock:
            self._print(words)

    def update(self) -> None:
        """Print the running view after a long silence."""
        with self._lock:
            states = read_states(self._folder)
            state = slowest_state(states)
            newest = max((other.at for other in states), default=0.0)
            is_silent = self._clock() - self._last_print >= LOG_SECONDS and newest > self._last_state
            if is_silent and state is not None and state.is_view:
                self._last_state = newest
                self._print(", ".join([work_text(state), *image_counts(states), *words_left(states)]))

    def close(self) -> None:
        """Print what is new, and nothing afterwards."""
        self.update()
        super().close()

    def _print(self, text: str) -> None:
        if not self._end.is_set():
            self._last_print = self._clock()
            self._write(f"quba-check: {text}")
