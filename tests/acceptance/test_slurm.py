"""Whole runs whose predictions come from workers of submitit, one of which is killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from acceptance.runs import Project
from support.tiny import write_suite

WORKERS = ("--quba-executor=slurm:local", "--quba-executor-workers=2")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean set of three shards."""
    return write_suite(tmp_path_factory.mktemp("shards") / "data", 200)


def project(root: Path, data: Path) -> Project:
    """A folder to run in, with a folder of temporary files of its own."""
    temporary = root / "temporary"
    temporary.mkdir(parents=True)
    made = Project.at(root / "project", data)
    made.settings["TMPDIR"] = str(temporary)
    return made


def test_a_run_with_a_killed_worker_gives_the_record_of_one_process(tmp_path: Path, data: Path) -> None:
    serial, slurm = project(tmp_path / "serial", data), project(tmp_path / "slurm", data)
    assert serial.run("--quba-report=record.json").code == 0
    flag = slurm.root / "killed"
    run = slurm.run("--quba-report=record.json", *WORKERS, NETS_TRAP=f"kill 1000 {flag}")
    assert (run.code, run.err) == (0, "")
    assert flag.exists()
    assert run.out.count("quba-check: slurm: the worker on ") == 1
    assert without_time_and_place(slurm) == without_time_and_place(serial)
    assert shards(slurm) == shards(serial)
    assert list((slurm.store / "slurm").iterdir()) == []


def without_time_and_place(project: Project) -> dict[str, Any]:
    """Return the fields of a record that two runs must agree on, to the last bit."""
    record = project.record()
    del record["command"], record["environment"]["time"]
    return record


def shards(project: Project) -> list[str]:
    """Return the names of all stored predictions, which state their shards and their images."""
    return sorted(str(path.relative_to(project.store)) for path in project.store.glob("predictions/*/*"))
