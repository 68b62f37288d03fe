"""Signs of life of a run: written, renewed, removed, and never an error."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from quba_check.errors import StoreError
from quba_check.gate.progress import ProcessState
from quba_check.pytest_plugin.active_run_file import ActiveRunFile
from quba_check.storage.active_runs import ActiveRun, active_runs
from quba_check.storage.opening import open_store
from quba_check.storage.store import Store

GENEROUS = 60.0
"""Seconds that a thread may take on a busy machine."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def wait_for(is_true: Callable[[], object]) -> None:
    end = time.monotonic() + GENEROUS
    while not is_true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def planner(done: float) -> ProcessState:
    """The state of a process that plans 12,000 passes and does 100 a second."""
    return ProcessState("clean", 400, 4.0, time.time(), done=done, speed=100.0, plan=12_000.0)


def only_run(store: Store) -> ActiveRun:
    """The run; its file may be missing from one listing while it is renewed."""
    while not (runs := active_runs(store.objects)):
        time.sleep(0.005)
    (run,) = runs
    return run


def test_a_run_is_shown_until_it_ends(store: Store) -> None:
    run_file = ActiveRunFile(["r50"], lambda: store, list)
    run_file.pytest_sessionstart()
    wait_for(lambda: active_runs(store.objects))
    run = only_run(store)
    assert (run.models, run.work, run.images, run.done, run.left) == (("r50",), "", 0, None, "")
    run_file.pytest_sessionfinish()
    assert active_runs(store.objects) == []
    run_file.close()


def test_progress_is_shown(store: Store) -> None:
    states = [planner(0)]
    run_file = ActiveRunFile(["r50"], lambda: store, lambda: states, seconds=0.01)
    run_file.pytest_sessionstart()
    wait_for(lambda: active_runs(store.objects))
    first = only_run(store)
    assert (first.work, first.images, first.done) == ("measuring clean", 400, 0.0)
    assert (first.left, first.left_seconds) == ("about 2 min", 120.0)
    states[:] = [planner(9_000)]
    wait_for(lambda: only_run(store).done == 0.75)
    assert only_run(store).started == first.started
    wait_for(lambda: only_run(store).at > first.at)
    run_file.close()


def test_a_run_that_never_started_a_session(store: Store) -> None:
    ActiveRunFile(["r50"], lambda: store, list).close()
    assert not (store.root / "active").exists()


def test_a_store_that_cannot_be_opened() -> None:
    opened = []

    def refuse() -> Store:
        opened.append(True)
        raise StoreError("no store")

    run_file = ActiveRunFile(["r50"], refuse, list)
    run_file.pytest_sessionstart()
    wait_for(lambda: opened)
    run_file.close()


def test_errors_stop_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store fails at first, then the states do; the file comes with the next sign of life."""
    errors: list[Exception] = [RuntimeError("a bug"), StoreError("full"), OSError("gone")]

    def states() -> list[ProcessState]:
        if errors:
            raise errors.pop()
        return []

    run_file = ActiveRunFile(["r50"], lambda: store, states, seconds=0.01)
    run_file.pytest_sessionstart()
    wait_for(lambda: active_runs(store.objects))
    assert errors == []
    run_file.close()
    assert active_runs(store.objects) == []


def test_a_file_that_someone_removed_comes_back(store: Store) -> None:
    run_file = ActiveRunFile(["r50"], lambda: store, list, seconds=0.01)
    run_file.pytest_sessionstart()
    wait_for(lambda: active_runs(store.objects))
    store.objects.delete(only_run(store).name)
    wait_for(lambda: active_runs(store.objects))
    run_file.close()
