"""Every condition in a run with workers of pytest-xdist."""

from pathlib import Path

from acceptance.runs import Project
from support.conditions import CONDITIONS, write_suite

SAME = ("verdicts", "measurements", "suite", "findings", "warnings", "overall_verdict")


def test_two_processes_measure_what_one_does(tmp_path: Path) -> None:
    """Equal bit for bit, each run with its own store."""
    project = Project.at(tmp_path, write_suite(tmp_path / "data"), f"schema: 1\n{CONDITIONS}")
    records = []
    for name, arguments in (("one", ()), ("two", ("-n", "2"))):
        run = project.run(*arguments, f"--quba-record={name}.json", f"--quba-store={tmp_path / name}")
        assert run.code == 0, run.out + run.err
        records.append(project.record(f"{name}.json"))
    one, two = ({name: record[name] for name in SAME} for record in records)
    assert one == two
    assert len(one["verdicts"]) == 24
