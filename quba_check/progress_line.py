"""The progress line as a part of the plugin: there while measuring, gone when pytest writes."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from quba_check.progress import Display

INPUT = "quba_progress"
"""Key under which the controller tells workers where to write their states."""


class ProgressLine:
    """Hooks of the controller around whatever writes to the terminal.

    Args:
        folder: where the processes of the run write their states; removed at the end.
        terminal: file descriptor of the terminal; None where output is not one.
    """

    def __init__(self, folder: Path, terminal: int | None) -> None:
        self._folder = folder
        self._display = None if terminal is None else Display(folder, terminal)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker where to write."""
        node.workerinput[INPUT] = str(self._folder)

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
        """Erase the line for good."""
        if self._display is not None:
            self._display.close()
            self._display = None
        shutil.rmtree(self._folder, ignore_errors=True)
        return (yield)

    def aside(self) -> AbstractContextManager[None]:
        """Keep away while somebody else writes to the terminal."""
        return nullcontext() if self._display is None else self._display.aside()

    def _aside(self) -> Generator[None, Any, Any]:
        with self.aside():
            return (yield)
