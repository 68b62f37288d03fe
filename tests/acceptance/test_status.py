"""A run in the list of running evaluations: from its start, through SIGKILL, to the end of the next one."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from acceptance.runs import CLEAN_IMAGES, Project, ended, examined, wait_for
from support.tiny import write_suite

from quba_check.cli.main import main
from quba_check.storage.inventory import read_inventory
from quba_check.storage.opening import open_store

THRESHOLDS = """\
schema: 1
name: gate
dimensions: {accuracy: {min: 0}, ood_robustness: {min: 0}}
"""


def test_a_run_is_listed_until_it_is_killed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = Project.at(tmp_path / "project", write_suite(tmp_path / "data"), THRESHOLDS)
    flag = project.root / "half-way"
    # In the images of the shifts, when the clean ones are stored.
    process = project.start(NETS_TRAP=f"wait {examined() + CLEAN_IMAGES + 1} {flag}")
    wait_for(flag, process)

    running = state_of(project, "running", process, capsys)
    assert (running["models"], running["pid"]) == (["nets:net"], process.pid)
    assert running["last_sign"] >= running["started"]
    stored = len(read_inventory(open_store(project.store)).of("predictions"))
    assert stored
    assert command(project, "store", "prune", "--older-than=0h", "--yes") == 0
    assert "running, and kept: nets:net" in capsys.readouterr().out
    assert len(read_inventory(open_store(project.store)).of("predictions")) == stored

    process.send_signal(signal.SIGKILL)
    ended(process)
    assert state_of(project, "dead", process, capsys)["pid"] == process.pid
    assert evaluations(project, capsys) == []

    assert project.run().code == 0
    assert evaluations(project, capsys) == []
    assert command(project, "store", "verify") == 0


def command(project: Project, *words: str) -> int:
    return main([*words, f"--store={project.store}"])


def evaluations(project: Project, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert command(project, "status", "--json") == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["evaluations"]
    return rows


def state_of(
    project: Project, state: str, process: subprocess.Popen[str], capsys: pytest.CaptureFixture[str]
) -> dict[str, Any]:
    """The only evaluation, once it has a state."""
    while True:
        rows = evaluations(project, capsys)
        if [row["state"] for row in rows] == [state]:
            return rows[0]
        assert state == "running", rows
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
