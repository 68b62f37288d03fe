"""The plugin's progress output: a terminal line, log lines, or nothing under -q."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Generator
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest

from quba_check.pytest_plugin.progress import LogLines, ProgressWriter, TerminalLine

FOLDER = "quba_progress"
"""Key under which the controller tells workers where to write their states."""


class ProgressLine:
    """Hooks of the controller around whatever writes to the terminal.

    Args:
        folder: where the processes of the run write their states; removed at the end.
        config: says where output goes.

    Attributes:
        writer: where this process writes its state.
    """

    def __init__(self, folder: Path, config: pytest.Config) -> None:
        self._folder = folder
        self._config = config
        self._display: TerminalLine | None = None
        self._log: LogLines | None = None
        option = config.option
        has_terminal = config.pluginmanager.hasplugin("terminal")
        is_silent = not has_terminal or option.verbose < 0 or option.collectonly
        if not is_silent and sys.__stdout__:
            if sys.__stdout__.isatty():
                self._display = TerminalLine(folder, sys.__stdout__.fileno())
            else:
                self._log = LogLines(folder, self._write)
        self.writer = ProgressWriter(folder, "main", None if self._log is None else self._log.update)

    def announce(self, words: str) -> None:
        """Show a step that precedes predictions."""
        if self._log is not None:
            self._log.announce(words)
        self.writer.announce(words)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker where to write."""
        node.workerinput[FOLDER] = str(self._folder)
        if self._log is not None:
            self._log.watch()

    def pytest_sessionstart(self) -> None:
        """Erase the line before pytest writes its header and collects."""
        self.writer.announce("")
        if self._display is not None:
            self._display.hide()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_logstart(self) -> Generator[None, Any, Any]:
        """Keep away."""
        return (yield from self._aside())

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_logreport(self) -> Generator[None, Any, Any]:
        """Keep away."""
        return (yield from self._aside())

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_logfinish(self) -> Generator[None, Any, Any]:
        """Keep away."""
        return (yield from self._aside())

    @pytest.hookimpl(wrapper=True, optionalhook=True)
    def pytest_xdist_node_collection_finished(self) -> Generator[None, Any, Any]:
        """Keep away."""
        return (yield from self._aside())

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Generator[None, Any, Any]:
        """End progress before pytest writes its summary."""
        self.close()
        return (yield)

    def pause(self) -> AbstractContextManager[None]:
        """Keep away while somebody else writes to the terminal."""
        output = self._display or self._log
        return nullcontext() if output is None else output.pause()

    def close(self) -> None:
        """Erase the line for good, and remove the states."""
        for output in (self._display, self._log):
            if output is not None:
                output.close()
        self._display = self._log = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def _aside(self) -> Generator[None, Any, Any]:
        with self.pause():
            return (yield)

    def _write(self, text: str) -> None:
        """Print a log line on its own row, also while pytest captures output.

        Errors of the output are ignored: progress must not fail a run.
        """
        manager = self._config.pluginmanager
        capture, reporter = manager.get_plugin("capturemanager"), manager.get_plugin("terminalreporter")
        uncaptured = nullcontext() if capture is None else capture.global_and_fixture_disabled()
        with uncaptured, suppress(OSError, ValueError):
            if reporter is None:  # while pytest is being configured
                print(text, flush=True)  # noqa: T201
                return
            writer = self._config.get_terminal_writer()
            if self._config.option.verbose > 0:
                reporter.ensure_newline()  # has pytest write the name of the running test again
            elif writer.width_of_current_line:
                writer.line()
            writer.line(text)
            writer.flush()
