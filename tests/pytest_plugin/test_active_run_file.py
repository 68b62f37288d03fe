"""Signs of life of a run: written, renewed, removed, and never an error."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from quba_check.errors import StoreError
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


def only_run(store: Store) -> ActiveRun:
    """The run; its file may be missing from one listing while it is renewed."""
    while not (runs := active_runs(store.objects)):
        time.sleep(0.005)
    (run,) = runs
    return run


def test_a_run_is_listed_until_it_ends(store: Store) -> None:
    run_file = ActiveRunFile(["r50"], lambda: store)
    run_file.pytest_sessionstart()
    wait_for(lambda: active_runs(store.objects))
    assert only_run(store).models == ("r50",)
    run_file.pytest_sessionfinish()
    assert active_runs(store.objects) == []
    run_file.close()


def test_the_sign_of_life_is_renewed_and_comes_back(store: Store) -> None:
    run_file = ActiveRunFile(["r50"], lambda: store, seconds=0.01)
    run_file.pytest_sessionstart()
    wait_for(lambda: active_runs(store.objects))
    first = only_run(store)
    wait_for(lambda: only_run(store).at > first.at)
    assert only_run(store).started == first.started
    store.objects.delete(first.name)
    wait_for(lambda: active_runs(store.objects))
    run_file.close()


def test_a_run_that_never_started_a_session(store: Store) -> None:
    ActiveRunFile(["r50"], lambda: store).close()
    assert not (store.root / "active").exists()


def test_a_store_that_cannot_be_opened() -> None:
    opened = []

    def refuse() -> Store:
        opened.append(True)
        raise StoreError("no store")

    run_file = ActiveRunFile(["r50"], refuse)
    run_file.pytest_sessionstart()
    wait_for(lambda: opened)
    run_file.close()


def test_errors_stop_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store fails at first; the file comes with a later sign of life."""
    errors: list[Exception] = [RuntimeError("a bug"), StoreError("full"), OSError("gone")]
    write = store.objects.set

    def fail_at_first(name: str, content: bytes) -> None:
        if errors:
            raise errors.pop()
        write(name, content)

    monkeypatch.setattr(store.objects, "set", fail_at_first)
    run_file = ActiveRunFile(["r50"], lambda: store, seconds=0.01)
    run_file.pytest_sessionstart()
    wait_for(lambda: active_runs(store.objects))
    assert errors == []
    run_file.close()
    assert active_runs(store.objects) == []
