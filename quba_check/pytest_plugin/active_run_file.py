"""Signs of life of a run in its store, for `quba-check status`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from quba_check.gate.progress import (
    ProcessState,
    passes_left,
    planned_passes,
    run_time_left,
    slowest_state,
    time_text,
    work_text,
)
from quba_check.storage.active_runs import BEAT_SECONDS, ActiveRun, new_run

if TYPE_CHECKING:
    from quba_check.storage.store import Store

_CLOSE_SECONDS = 5.0
"""Longest wait for a store that does not answer when the run ends."""


class ActiveRunFile:
    """Hooks of the controller that keep the file of this run in the store.

    A thread writes it every few seconds. It ignores all errors: a sign of life must not fail a run.

    Args:
        models: names of the models.
        open_store: opens the store; called by the thread.
        states: returns the states of all processes of the run.
        seconds: time between two signs of life.
    """

    def __init__(
        self,
        models: Iterable[str],
        open_store: Callable[[], Store],
        states: Callable[[], list[ProcessState]],
        seconds: float = BEAT_SECONDS,
    ) -> None:
        self._run = new_run(models)
        self._open_store = open_store
        self._states = states
        self._seconds = seconds
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="quba-active-run", daemon=True)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Start, before the models are loaded."""
        self._thread.start()

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Remove the file of this run."""
        self.close()

    def close(self) -> None:
        """Remove the file of this run, without waiting long for the store."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join(_CLOSE_SECONDS)

    def _beat(self) -> None:
        """Write the file until the end, then remove it."""
        with suppress(Exception):
            store = self._open_store()
            try:
                is_at_end = self._end.is_set()
                while not is_at_end:
                    with suppress(Exception):  # the next one may succeed
                        store.objects.set(self._run.name, self._present().encode())
                    is_at_end = self._end.wait(self._seconds)
            finally:
                store.objects.delete(self._run.name)

    def _present(self) -> ActiveRun:
        """Return the run with its present progress."""
        states = self._states()
        slowest = slowest_state(states)
        plan, left = planned_passes(states), passes_left(states)
        seconds = run_time_left(states)
        return replace(
            self._run,
            at=time.time(),
            work="" if slowest is None else work_text(slowest),
            images=sum(state.images for state in states),
            done=1 - left / plan if plan and left is not None else None,
            left=time_text(seconds) if seconds else "",
            left_seconds=seconds,
        )
