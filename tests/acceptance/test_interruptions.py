"""Runs that are killed, stopped, or share a store with another: nothing wrong, lost or done twice."""

import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from acceptance.runs import OTHER_IMAGES, Finished, Project, are_passes, ended, same_findings, wait_for
from support.tiny import write_suite

from quba_check.storage.store import SHARD_SIZE

PER_CLASS = 200
N = 3 * PER_CLASS
MEASURED = N + N + N + OTHER_IMAGES
"""Forward passes of a run at least: clean, FGSM, and a random start of PGD that fools the model."""
PASSES_OF_A_SHARD = 11 * SHARD_SIZE
"""Of the dearest one, a shard of PGD."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean set of three shards."""
    return write_suite(tmp_path_factory.mktemp("shards") / "data", PER_CLASS)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Project:
    """A run that nothing disturbs."""
    return Project.at(tmp_path_factory.mktemp("whole") / "project", data)


@pytest.fixture(scope="module")
def undisturbed(whole: Project) -> Finished:
    return whole.run("--quba-record=record.json")


@pytest.fixture
def project(tmp_path: Path, data: Path) -> Project:
    return Project.at(tmp_path / "project", data)


@pytest.fixture(scope="module")
def examined(tmp_path_factory: pytest.TempPathFactory, whole: Project, undisturbed: Finished) -> Counter[str]:
    """Passes of the doctor before a run, all that a second run makes."""
    again = Project.at(tmp_path_factory.mktemp("again") / "project", whole.data)
    assert replace(again, store=whole.store).run().code == 0
    return again.passes()


def test_undisturbed(undisturbed: Finished, whole: Project, examined: Counter[str]) -> None:
    assert undisturbed.code == 0
    assert examined.keys() == {"forward"}
    assert 20 < examined["forward"] < 512
    passes = whole.passes() - examined
    assert MEASURED < passes["forward"] <= MEASURED + 10 * N
    assert N < passes["backward"] <= N + 10 * N


def test_a_run_that_was_killed_goes_on(project: Project, whole: Project, examined: Counter[str]) -> None:
    flag = project.root / "half-way"
    process = project.start("--quba-record=record.json", NETS_TRAP=f"wait {MEASURED // 2} {flag}")
    wait_for(flag, process)
    process.send_signal(signal.SIGKILL)
    assert ended(process).code == -signal.SIGKILL
    assert not (project.root / "record.json").exists()
    before = project.passes()["forward"]
    assert 0 < before < MEASURED

    assert project.run("--quba-record=record.json").code == 0
    assert same_findings(project.record(), whole.record())
    expected = (whole.passes() + examined)["forward"]
    assert expected < project.passes()["forward"] <= expected + PASSES_OF_A_SHARD
    assert list(project.store.glob("predictions/*/.*.tmp")) == []


def test_two_runs_at_once_share_the_work(project: Project, whole: Project, examined: Counter[str]) -> None:
    first, second = (project.start(f"--quba-record={name}.json") for name in ("first", "second"))
    assert (ended(first).code, ended(second).code) == (0, 0)
    assert are_passes(project.passes(), whole.passes() + examined, processes=2)
    assert same_findings(project.record("first.json"), whole.record())
    assert same_findings(project.record("second.json"), whole.record())
    assert len(list((project.store / "runs").glob("*.json"))) == 2


def test_what_was_measured_before_an_interrupt_is_kept(
    project: Project, undisturbed: Finished, whole: Project
) -> None:
    flag = project.root / "half-way"
    # In the middle of the corruptions, which come after the doctor's look and the attacks.
    images = whole.passes()["forward"] - OTHER_IMAGES + 100
    process = project.start("--quba-record=record.json", NETS_TRAP=f"wait {images} {flag}")
    wait_for(flag, process)
    process.send_signal(signal.SIGINT)
    stopped = ended(process)
    assert stopped.code == pytest.ExitCode.INTERRUPTED
    assert "Traceback" not in stopped.out + stopped.err
    record = project.record()
    assert record["interrupted"] is True
    outcomes = [row["outcome"] for row in record["verdicts"]]
    assert outcomes == ["pass"] * 3 + ["not run"] * 10
    assert "value" in record["measurements"]["adversarial_robustness"]
    assert record["measurements"]["corruption_robustness"] == {"not_measured": True}
    lines = stopped.out.splitlines()
    assert "interrupted: not every demand was judged" in lines
    text = " ".join(stopped.out.split())
    assert "released: no; the run was interrupted; 3 of 13 demands passed, 10 not run" in text
