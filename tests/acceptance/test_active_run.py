"""The sign of life of a run: from its start, through SIGKILL, to the end of the next one."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from acceptance.runs import CLEAN_IMAGES, Project, ended, examined, wait_for
from support.tiny import write_suite

from quba_check.cli.main import main
from quba_check.storage.active_runs import active_runs
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

    while not (runs := active_runs(open_store(project.store).objects)):  # missing while it is renewed
        time.sleep(0.02)
    assert [(run.models, run.pid, run.is_dead(time.time())) for run in runs] == [
        (("nets:net",), process.pid, False)
    ]
    stored = len(read_inventory(open_store(project.store)).of("predictions"))
    assert stored
    assert command(project, "store", "prune", "--older-than=0h", "--yes") == 0
    assert "running, and kept: nets:net" in capsys.readouterr().out
    assert len(read_inventory(open_store(project.store)).of("predictions")) == stored

    process.send_signal(signal.SIGKILL)
    ended(process)
    (killed,) = active_runs(open_store(project.store).objects)
    assert killed.is_dead(time.time())
    assert command(project, "store", "prune", "--yes") == 0
    assert active_runs(open_store(project.store).objects) == []

    assert project.run().code == 0
    assert active_runs(open_store(project.store).objects) == []
    assert command(project, "store", "verify") == 0


def command(project: Project, *words: str) -> int:
    return main([*words, f"--store={project.store}"])
