"""Several worker processes in one run, and workers that die."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance.runs import Finished, Measured, Project, closed_form


@pytest.fixture(scope="module")
def parallel(tmp_path_factory: pytest.TempPathFactory, tiny_data: Path) -> Project:
    return Project.at(tmp_path_factory.mktemp("parallel") / "project", tiny_data)


@pytest.fixture(scope="module")
def run(parallel: Project) -> Finished:
    return parallel.run("-n2", "--quba-report=record.json", "--junitxml=junit.xml")


def test_two_workers_find_what_one_process_finds(
    run: Finished, parallel: Project, measured: Measured
) -> None:
    assert (run.code, run.err) == (0, "")
    values = {name: row["value"] for name, row in parallel.record()["measurements"].items()}
    assert values == pytest.approx(measured.values, abs=1e-6)
    assert [row["outcome"] for row in parallel.record()["verdicts"]] == ["pass"] * 13
    assert parallel.record()["grades"][0]["complete"]


def test_their_predictions_are_those_of_one_process(
    run: Finished, parallel: Project, measured: Measured
) -> None:
    from safetensors.numpy import load_file

    shards = sorted(path.relative_to(parallel.store) for path in parallel.store.glob("predictions/*/*"))
    assert shards == sorted(
        path.relative_to(measured.store) for path in measured.store.glob("predictions/*/*")
    )
    for shard in shards:
        ours, theirs = load_file(parallel.store / shard), load_file(measured.store / shard)
        assert ours["top1"].tolist() == theirs["top1"].tolist()
        assert ours["confidence"] == pytest.approx(theirs["confidence"], abs=1e-6)


def test_together_they_predict_each_image_once(run: Finished, parallel: Project) -> None:
    assert parallel.passes() == closed_form()


def test_the_summary_is_printed_once(run: Finished) -> None:
    lines = run.out.splitlines()
    assert sum("quba-check nets:net =" in line for line in lines) == 1
    assert "13 of 13 demands passed" in lines
    assert lines[-1].strip("= ").startswith("13 passed in ")


def test_values_travel_to_junit(run: Finished, parallel: Project) -> None:
    text = (parallel.root / "junit.xml").read_text(encoding="utf-8")
    assert text.count('name="protocol" value="standard"') == 13


@pytest.mark.slow
def test_a_worker_that_dies_fails_its_demand_alone(
    tmp_path: Path, tiny_data: Path, measured: Measured
) -> None:
    project = Project.at(tmp_path / "project", tiny_data)
    flag = project.root / "died"
    died = project.run("-n2", "--quba-report=record.json", NETS_TRAP=f"exit 60 {flag}")
    assert flag.exists()
    assert died.code == pytest.ExitCode.TESTS_FAILED
    assert "Traceback" not in died.out + died.err
    record = project.record()
    outcomes = [row["outcome"] for row in record["verdicts"]]
    assert sorted(outcomes) == ["not run"] + ["pass"] * 12
    (lost,) = (row for row in record["verdicts"] if row["outcome"] == "not run")
    reason = f"crashed while running '{lost['id']}'"
    assert lost["message"].startswith(f"{lost['id'].partition('::')[2]} was not judged: worker 'gw")
    assert lost["message"].endswith(reason)
    assert f"FAILED {lost['id']}" in died.out
    assert reason in died.out
    assert f"{lost['id'].partition('::')[2]}: worker 'gw" in died.out
    assert record["interrupted"] is False
    assert "12 of 13 demands passed, 1 not run" in died.out.splitlines()
    assert died.out.splitlines()[-1].strip("= ").startswith("1 failed, 12 passed in ")
