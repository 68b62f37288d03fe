"""Hooks of the controller that show progress."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Generator
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest

from quba_check.gate.progress import ProcessState, ProgressWriter, read_states
from quba_check.gate.progress_output import LogLines, ProgressOutput, TerminalLine

FOLDER = "quba_progress"
"""Key of a worker's input with the folder of the processes' states."""


class ProgressLine:
    """Hooks of the controller that pause progress while pytest writes to the terminal.

    Args:
        folder: of the processes' states; removed at the end.
        config: pytest's configuration.

    Attributes:
        writer: writes the state of this process.
    """

    def __init__(self, folder: Path, config: pytest.Config) -> None:
        self._folder = folder
        self._config = config
        self._output = ProgressOutput(folder)
        option = config.option
        has_terminal = config.pluginmanager.hasplugin("terminal")
        is_silent = not has_terminal or option.verbose < 0 or option.collectonly
        if not is_silent and sys.__stdout__:
            if sys.__stdout__.isatty():
                self._output = TerminalLine(folder, sys.__stdout__.fileno())
            else:
                self._output = LogLines(folder, self._write)
        self.writer = ProgressWriter(folder, "main", self._output.update)

    def announce(self, words: str) -> None:
        """Show a step that precedes predictions."""
        self._output.announce(words)
        self.writer.announce(words)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Send the folder of the states to a worker."""
        node.workerinput[FOLDER] = str(self._folder)
        self._output.watch()

    def pytest_sessionstart(self) -> None:
        """Erase the line before pytest writes its header and collects."""
        self.writer.announce("")
        self._output.hide()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_logreport(self) -> Generator[None, Any, Any]:
        """Pause progress while pytest prints."""
        with self.pause():
            return (yield)

    pytest_runtest_logstart = pytest_runtest_logfinish = pytest_runtest_logreport

    @pytest.hookimpl(wrapper=True, optionalhook=True)
    def pytest_xdist_node_collection_finished(self) -> Generator[None, Any, Any]:
        """Pause progress while xdist prints."""
        with self.pause():
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Generator[None, Any, Any]:
        """End progress before pytest writes its summary."""
        self.close()
        return (yield)

    def states(self) -> list[ProcessState]:
        """Return the states of all processes."""
        return read_states(self._folder)

    def pause(self) -> AbstractContextManager[None]:
        """Print no progress while other code writes to the terminal."""
        return self._output.pause()

    def close(self) -> None:
        """End progress, and remove the states."""
        self._output.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _write(self, text: str) -> None:
        """Print a log line on its own row, also while pytest captures output.

        Errors of the output are ignored: progress must not fail a run.
        """
        manager = self._config.pluginmanager
        capture, reporter = manager.get_plugin("capturemanager"), manager.get_plugin("terminalreporter")
        uncaptured = nullcontext() if capture is None else capture.global_and_fixture_disabled()
        with uncaptured, suppress(OSError, ValueError):
            if reporter is None:  # pytest is not configured yet
                print(text, flush=True)  # noqa: T201
                return
            writer = self._config.get_terminal_writer()
            if self._config.option.verbose > 0:
                reporter.ensure_newline()  # pytest then repeats the name of the running test
            elif writer.width_of_current_line:
                writer.line()
            writer.line(text)
            writer.flush()
