"""Files of running evaluations: alive, dead, forgotten, damaged."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from quba_check.storage.active_runs import (
    FORGOTTEN_SECONDS,
    LARGEST,
    SILENT_SECONDS,
    active_runs,
    new_run,
    remove_forgotten,
)
from quba_check.storage.opening import open_store
from quba_check.storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def test_a_run_comes_back_as_it_was(store: Store) -> None:
    first = replace(new_run(["r50", "r50", "vit"]), started=5.0)
    second = replace(new_run([]), started=4.0)
    assert first.models == ("r50", "vit")
    assert first.pid == os.getpid()
    assert new_run([]).name != new_run([]).name
    for run in (first, second):
        store.objects.set(run.name, run.encode())
    assert active_runs(store.objects) == [second, first]


def test_silence() -> None:
    run = new_run(["r50"])
    assert not run.is_dead(run.at + SILENT_SECONDS)
    assert run.is_dead(run.at + SILENT_SECONDS + 1)
    assert not run.is_forgotten(run.at + FORGOTTEN_SECONDS)
    assert run.is_forgotten(run.at + FORGOTTEN_SECONDS + 1)
    assert not run.is_dead(run.at - 3)  # the clock of another machine is ahead


def test_windows_can_print_every_time() -> None:
    assert datetime.fromtimestamp(LARGEST, UTC).year < 3000


def test_a_process_of_this_machine_that_ended_is_dead_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    run = replace(new_run(["r50"]), pid=process.pid)
    assert run.is_dead(run.at)
    assert run.is_forgotten(run.at)
    elsewhere = [
        replace(run, machine="elsewhere"),
        *(replace(run, pid=pid) for pid in (0, os.getpid(), LARGEST)),
    ]
    assert not any(one.is_dead(run.at) for one in elsewhere)
    monkeypatch.setattr("pathlib.Path.readlink", lambda _: "pid:[42]")  # as seen from another container
    assert run.machine.startswith(socket.gethostname())
    assert not run.is_dead(run.at)


def test_forgotten_runs_are_removed(store: Store) -> None:
    now = time.time()
    alive = new_run(["alive"])
    silent = replace(new_run(["silent"]), machine="elsewhere", at=now - 2 * SILENT_SECONDS)
    gone = replace(new_run(["gone"]), machine="elsewhere", at=now - 2 * FORGOTTEN_SECONDS)
    for run in (alive, silent, gone):
        store.objects.set(run.name, run.encode())
    remove_forgotten(store.objects, active_runs(store.objects), now)
    assert {run.models for run in active_runs(store.objects)} == {("alive",), ("silent",)}


def test_a_store_that_cannot_be_written_keeps_them(store: Store) -> None:
    run = replace(new_run(["r50"]), at=0.0)
    (store.root / "active").write_text("")
    remove_forgotten(store.objects, [run], time.time())


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"models": "r50"},
        {"models": [3]},
        {"pid": "7"},
        {"pid": 7.5},
        {"machine": None},
        {"at": None},
        {"at": float("nan")},
        {"started": -1},
        {"started": 1e300},
        {"run": "../../runs/record"},
    ],
)
def test_other_contents_are_left_out(store: Store, change: dict[str, object]) -> None:
    run = new_run(["r50"])
    store.objects.set("active/other.json", json.dumps(json.loads(run.encode()) | change).encode())
    for name, content in (("b", b"[]"), ("d", b"{}")):
        store.objects.set(f"active/{name}.json", content)
    assert active_runs(store.objects) == []
