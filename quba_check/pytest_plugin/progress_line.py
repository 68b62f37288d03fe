"""Progress of a run: one line on a terminal, or plain lines in a log.

On a terminal the line is one row below pytest's cursor and is erased before pytest writes, so that pytest has
its row for itself, with and without xdist. Elsewhere a plain line is printed every 30 seconds while images
are predicted.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from quba_check.gate.progress import (
    REFRESH_SECONDS,
    ProcessState,
    ProgressWriter,
    progress_text,
    read_states,
    run_progress,
)

FOLDER = "quba_progress"
"""Key of a worker's input with the folder of the processes' states."""
LOG_SECONDS = 30.0
"""Longest silence of a log while images are predicted, unless a single pass takes longer."""
_DOWN = "\x1bD"
_UP = "\x1b[A"
_SAVE = "\x1b7"
_RESTORE = "\x1b8"
_ERASE = "\r\x1b[K"
_STEP_DOWN = "\x1b[B"


class ProgressLine:
    """Hooks of the controller around the progress of all processes; this class shows nothing.

    Args:
        folder: of the processes' states; removed at the end.

    Attributes:
        writer: writes the state of this process.
        speed: passes a second of all processes; 0 before the end.
        seconds: time of the passes of the process that took longest; 0 before the end.
    """

    def __init__(self, folder: Path) -> None:
        self.writer = ProgressWriter(folder, "main", self.update)
        self.speed = self.seconds = 0.0
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
        """Show a step that precedes predictions."""
        self.writer.announce(words)

    def hide(self) -> None:
        """Show nothing until the end of the next `pause`."""

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Show nothing while other code writes."""
        with self._lock:
            yield

    def states(self) -> list[ProcessState]:
        """Return the states of all processes."""
        return read_states(self._folder)

    def close(self) -> None:
        """Stop, and remove the states; a second call does nothing."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()
        states = self.states()
        self.speed = sum(state.done / state.seconds for state in states if state.seconds) or self.speed
        self.seconds = max([self.seconds, *(state.seconds for state in states)])
        shutil.rmtree(self._folder, ignore_errors=True)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Send the folder of the states to a worker."""
        node.workerinput[FOLDER] = str(self._folder)
        self.watch()

    def pytest_sessionstart(self) -> None:
        """Erase the line before pytest writes its header and collects."""
        self.writer.announce("")
        self.hide()

    @pytest.hookimpl(wrapper=True, optionalhook=True)
    def pytest_runtest_logreport(self) -> Generator[None, Any, Any]:
        """Pause progress while pytest or xdist prints."""
        with self.pause():
            return (yield)

    pytest_runtest_logstart = pytest_runtest_logfinish = pytest_runtest_logreport
    pytest_xdist_node_collection_finished = pytest_runtest_logreport

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Generator[None, Any, Any]:
        """End progress before pytest writes its summary."""
        self.close()
        return (yield)


class TerminalLine(ProgressLine):
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
        text = progress_text(self.states(), Console().width - 1)
        with self._lock:
            if text and not self._is_hidden and not self._end.is_set():
                self._write(f"{_DOWN}{_SAVE}{_ERASE}{text}{_RESTORE}{_UP}")
                self._is_drawn = True

    def hide(self) -> None:
        """Erase the line until the end of the next `pause`."""
        with self._lock:
            self._is_hidden = True
            if self._is_drawn:
                self._write(f"{_SAVE}{_STEP_DOWN}{_ERASE}{_RESTORE}")
                self._is_drawn = False

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
        self.hide()
        self._terminal.close()

    def _write(self, text: str) -> None:
        self._terminal.write(text)
        self._terminal.flush()


class LogLines(ProgressLine):
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

    def update(self) -> None:
        """Print the running view after a long silence."""
        with self._lock:
            states = self.states()
            newest = max((state.at for state in states), default=0.0)
            run = run_progress(states)
            is_silent = self._clock() - self._last_print >= LOG_SECONDS and newest > self._last_state
            if is_silent and run is not None:
                work, counts, left = run
                self._last_state = newest
                self._print(", ".join([work, *counts, *left]))

    def close(self) -> None:
        """Print what is new, and nothing afterwards."""
        self.update()
        super().close()

    def _print(self, text: str) -> None:
        if not self._end.is_set():
            self._last_print = self._clock()
            self._write(f"quba-check: {text}")


def progress_line(folder: Path, config: pytest.Config) -> ProgressLine:
    """Return the hooks that show progress, by the options and the output of a run."""
    option = config.option
    output = sys.__stdout__
    has_terminal = config.pluginmanager.hasplugin("terminal")
    if not has_terminal or option.verbose < 0 or option.collectonly or not output:
        return ProgressLine(folder)
    if output.isatty():
        return TerminalLine(folder, output.fileno())
    return LogLines(folder, partial(_write_line, config))


def _write_line(config: pytest.Config, text: str) -> None:
    """Print a log line on its own row, also while pytest captures output.

    Errors of the output are ignored: progress must not fail a run.
    """
    manager = config.pluginmanager
    capture = manager.get_plugin("capturemanager")
    reporter = manager.get_plugin("terminalreporter")
    uncaptured = nullcontext() if capture is None else capture.global_and_fixture_disabled()
    with uncaptured, suppress(OSError, ValueError):
        if reporter is None:  # pytest is not configured yet
            print(text, flush=True)  # noqa: T201
            return
        writer = config.get_terminal_writer()
        if config.option.verbose > 0:
            reporter.ensure_newline()  # pytest then repeats the name of the running test
        elif writer.width_of_current_line:
            writer.line()
        writer.line(text)
        writer.flush()
