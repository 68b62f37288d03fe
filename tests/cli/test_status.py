"""`quba-check status`: running and dead evaluations."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from quba_check.cli.main import main
from quba_check.reports.status import status_json, status_text
from quba_check.storage.active_runs import FORGOTTEN_SECONDS, ActiveRun, active_runs, new_run
from quba_check.storage.opening import open_store

NOON = datetime(2026, 3, 4, 12, 0).timestamp()
RUN = ActiveRun("run", ("r50",), "gpu1", 4242, NOON - 1260, NOON - 3)
BUSY = replace(
    RUN, work="measuring clean+pgd", images=12_900, done=0.4349, left="about 12 min", left_seconds=720.0
)
PLACE = "/store"


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_no_evaluation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_store(tmp_path)
    assert main(["status", "--store", str(tmp_path)]) == 0
    assert capsys.readouterr().out.split() == f"{tmp_path}: no evaluation is running".split()


def test_running_evaluations() -> None:
    assert status_text(PLACE, [BUSY, RUN], NOON) == (
        "r50 on gpu1, pid 4242: 43 % done, about 12 min left, until 12:11\n"
        "  measuring clean+pgd, 12,900 images; started 21 min ago, last sign of life 3 s\n"
        "    ago\n"
        "r50 on gpu1, pid 4242: running\n"
        "  started 21 min ago, last sign of life 3 s ago\n"
    )


def test_an_end_on_another_day() -> None:
    late = replace(BUSY, left="about 20 h", left_seconds=72_000.0)
    assert status_text(PLACE, [late], NOON).splitlines()[0] == (
        "r50 on gpu1, pid 4242: 43 % done, about 20 h left, until 2026-03-05 07:59"
    )


def test_a_dead_evaluation() -> None:
    assert status_text(PLACE, [BUSY], NOON + 240) == (
        "r50 on gpu1, pid 4242: dead, no sign of life for 4 min\n"
        "  measuring clean+pgd, 12,900 images; started 25 min ago\n"
    )


def test_an_evaluation_whose_process_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ActiveRun, "has_ended", lambda _: True)
    assert status_text(PLACE, [RUN], NOON) == (
        "r50 on gpu1, pid 4242: dead, its process ended\n  started 21 min ago\n"
    )


def test_evaluations_as_json() -> None:
    content = json.loads(status_json(PLACE, [BUSY, replace(RUN, at=NOON - 3600)], NOON))
    assert content["store"] == "/store"
    busy, dead = content["evaluations"]
    assert (busy["state"], busy["models"], busy["host"], busy["pid"]) == ("running", ["r50"], "gpu1", 4242)
    assert (busy["done"], busy["left_seconds"], busy["images"]) == (0.4349, 720.0, 12_900)
    assert datetime.fromisoformat(busy["estimated_end"]).timestamp() == NOON + 717
    assert datetime.fromisoformat(busy["started"]).timestamp() == NOON - 1260
    assert (dead["state"], dead["estimated_end"], dead["done"]) == ("dead", None, None)


def test_forgotten_evaluations_are_shown_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = open_store(tmp_path)
    now = time.time()
    alive = new_run(["alive"])
    silent = replace(RUN, run="silent", at=now - 120)
    forgotten = replace(RUN, run="forgotten", at=now - FORGOTTEN_SECONDS - 1)
    for run in (alive, silent, forgotten):
        store.objects.set(run.name, run.encode())
    assert main(["status", "--store", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("pid ") == 3
    assert {run.run for run in active_runs(store.objects)} == {alive.run, "silent"}
