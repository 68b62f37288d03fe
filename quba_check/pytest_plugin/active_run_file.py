"""Signs of life of a run in its store, read before pruning."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from quba_check.storage.active_runs import BEAT_SECONDS, new_run

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
        seconds: time between two signs of life.
    """

    def __init__(
        self, models: Iterable[str], open_store: Callable[[], Store], seconds: float = BEAT_SECONDS
    ) -> None:
        self._run = new_run(models)
        self._open_store = open_store
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
                while not self._end.is_set():
                    with suppress(Exception):  # the next one may succeed
                        store.objects.set(self._run.name, replace(self._run, at=time.time()).encode())
                    self._end.wait(self._seconds)
            finally:
                store.objects.delete(self._run.name)
