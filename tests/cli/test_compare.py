"""`quba-check compare` on terminals that lack characters, changed answers, and a baseline alone."""

import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cli.conftest import Run
from support.runs_compared import stored
from syrupy.assertion import SnapshotAssertion

from quba_check.cli.main import main
from quba_check.records.baselines import Approval, write_baseline


@pytest.mark.parametrize(
    ("kind", "title"), [("table", "r50 -> r50 on tiny"), ("markdown", "### `r50` -> `r50` on `tiny`")]
)
def test_an_arrow_that_a_terminal_cannot_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, title: str
) -> None:
    for name in ("a", "b"):
        text = stored(name, [0, 1, 2]).record.to_json()
        (tmp_path / f"{name}.json").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    content = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(content, encoding="ascii"))
    assert main(["compare", "a.json", "b.json", "--format", kind]) == 0
    assert f"{title}, protocol standard" in content.getvalue().decode("ascii").splitlines()[:2]


def test_changed_answers_are_written(run: Run) -> None:
    for name, predicted in (("a", [0, 1, 2]), ("b", [0, 1, 1])):
        one = stored(name, predicted)
        assert one.images is not None
        Path(f"{name}.json").write_text(one.record.to_json(), encoding="utf-8")
        Path(f"{name}.npz").write_bytes(one.images.to_bytes(one.record))
    assert run("compare a.json b.json --flips f.csv")[::2] == (0, "f.csv: 1 images with another answer\n")
    assert Path("f.csv").read_text(encoding="utf-8").splitlines()[1:] == ["cat/2.png,lost,cat,cat,bee"]


@pytest.fixture
def baseline(run: Run) -> Path:
    """The folder of a baseline in the folder of the command."""
    folder = Path("baselines/release")
    first = Approval("2026-01-01T00:00:00+00:00", "ann", "", "r50", "pass", (), "0" * 64)
    values = {
        "accuracy": {"value": 0.9, "unit": "fraction", "interval": [0.88, 0.92], "better": "high"},
        "parameters": {"value": 5.289, "unit": "millions", "interval": None, "better": "low"},
    }
    for approval in (first, replace(first, by="bo", values=values), replace(first, values={"accuracy": 3})):
        write_baseline(folder, b"{}", None, approval)
    with (folder / "approvals.jsonl").open("a") as file:
        file.write("damaged\n")
    return folder


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_the_values_of_approvals(baseline: Path, form: str, run: Run, snapshot: SnapshotAssertion) -> None:
    assert run(f"compare {baseline} --format {form}")[:2] == (0, snapshot)


def test_long_names_of_models_and_people_fit_the_terminal(baseline: Path, run: Run) -> None:
    values = {"accuracy": {"value": 0.9, "interval": [0.8, 0.95], "unit": "fraction", "better": "high"}}
    names = "release-team@example.com", "", f"resnet50{'-augmented' * 9}.pt"
    approval = Approval("2026-11-01T00:00:00+00:00", *names, "pass", (), "0" * 64, values)
    write_baseline(baseline, b"{}", None, approval)
    lines = run(f"compare {baseline}")[1].splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("accuracy") and "  resn" in line and "0.800..0.950" in line for line in lines)


def test_the_lines_of_approvals(baseline: Path, run: Run) -> None:
    content = json.loads(run(f"compare {baseline} --format json")[1])
    assert content["baseline"] == "baselines/release"
    assert [line.get("by") for line in content["approvals"]] == ["ann", "bo", "ann", None]


@pytest.mark.parametrize("path", ["baselines/relase", "run.json"])
def test_one_path_is_the_folder_of_a_baseline(baseline: Path, path: str, run: Run) -> None:
    Path("run.json").write_text("{}", encoding="utf-8")
    message = (
        f"ERROR: quba-check compare: got '{path}' alone. Allowed: two records, or a folder with "
        f"approvals.jsonl, such as {baseline}.\n"
    )
    assert run(f"compare {path}") == (4, "", message)


@pytest.mark.parametrize("option", ["--flips=x.csv", "--parts", "--store=x"])
def test_a_baseline_takes_no_option_of_two_records(baseline: Path, option: str, run: Run) -> None:
    message = (
        f"ERROR: quba-check compare: {option.partition('=')[0]}: is not read for a baseline. "
        "Allowed: with two records.\n"
    )
    assert run(f"compare {baseline} {option}") == (4, "", message)
