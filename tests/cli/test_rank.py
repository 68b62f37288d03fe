"""`quba-check published rank`: its table, its formats, and mistakes."""

import csv
import io
import json
from pathlib import Path

import pytest
from cli.conftest import Run
from support.own_records import SWIN_B, own_run
from syrupy.assertion import SnapshotAssertion

from quba_check.grading import population, published_models
from quba_check.study.ranking import rank


@pytest.fixture
def run(run: Run) -> Run:
    """Run the command in a folder with records of Swin-B, on ImageNet and elsewhere, and a fleet."""
    for run_of_model in (
        own_run(name="swin"),
        own_run(name="pets", suite="pets"),
        own_run({**SWIN_B, "accuracy": 0.3}, name="=weak"),
        own_run({"accuracy": 0.7}, name="partial", suite="imagenet"),
    ):
        name = run_of_model.record.model.name.strip("=")
        Path(f"{name}.json").write_text(run_of_model.record.to_json(), encoding="utf-8")
    rows = [{"id": f"m{k}", "values": {"accuracy": 0.5 + k / 100}} for k in range(20)]
    fleet = {"schema": 1, "name": "fleet", "protocol": "standard", "suite": "tiny", "rows": rows}
    Path("fleet.json").write_text(json.dumps(fleet), encoding="utf-8")
    return lambda words: run(f"published rank {words}")


def test_the_table(run: Run, snapshot: SnapshotAssertion) -> None:
    assert run("swin.json --limit 3") == (0, snapshot, "")


def test_constraints_and_weights(run: Run, snapshot: SnapshotAssertion) -> None:
    bounds = "--max parameters=30 --min accuracy=0.8 --architecture transformer"
    assert run(f"--weight adversarial_robustness=2 {bounds} --limit 2")[1] == snapshot


def test_a_record_of_another_suite(run: Run, snapshot: SnapshotAssertion) -> None:
    assert run("pets.json --limit 1 --architecture cnn --architecture b-cos")[1] == snapshot
    assert run("pets.json --limit 1 --architecture cnn --allow-other-suite")[1] == snapshot


def test_a_record_without_a_value(run: Run, snapshot: SnapshotAssertion) -> None:
    assert run("partial.json --limit 1")[1] == snapshot
    zeros = " ".join(f"--weight {name}=0" for name in SWIN_B if name != "accuracy")
    assert (
        "> partial (partial.json): rank 301 of 327; "
        in (run(f"partial.json --limit 1 --allow-other-suite {zeros}")[1])
    )


def test_models_without_a_value(run: Run, snapshot: SnapshotAssertion) -> None:
    assert run("--population screened --limit 1")[1] == snapshot


def test_a_population_of_a_file(run: Run, snapshot: SnapshotAssertion) -> None:
    assert run("--population fleet.json --limit 1") == (0, snapshot, "")


def test_no_model_meets_the_constraints(run: Run) -> None:
    code, out, err = run("--min accuracy=0.95")
    assert (code, err) == (0, "")
    assert out.splitlines()[3] == "no model meets the constraints"
    assert run("--min accuracy=0.95 --format csv")[1].count("\n") == 1


@pytest.mark.parametrize("columns", [72, 80, 100])
def test_no_line_exceeds_the_terminal(run: Run, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    out = run("swin.json partial.json --limit 326 --max parameters=2000 --weight shape_bias=3")[1]
    assert max(map(len, out.splitlines())) <= columns


# Formats.


def test_json_has_all_models(run: Run) -> None:
    content = json.loads(run("swin.json --format json --weight accuracy=2 --max parameters=100")[1])
    assert content["schema"] == 1
    assert content["population"]["models"] == 326
    assert content["weights"]["accuracy"] == 2
    assert content["constraints"] == {"min": {}, "max": {"parameters": 100.0}}
    expected = sum(model.values["parameters"] <= 100 for model in published_models())
    theirs = [model for model in content["models"] if model["record"] is None]
    assert len(theirs) == expected
    scores = {model.id: model.score for model in rank(population("published"), {"accuracy": 2})}
    assert {model["id"]: model["score"] for model in theirs} == pytest.approx(
        {model["id"]: scores[model["id"]] for model in theirs}, abs=0
    )
    (own,) = [model for model in content["models"] if model["record"]]
    assert own["values"] == SWIN_B
    assert own["notes"][0].startswith("cross-protocol")


def test_a_limit_of_json_keeps_own_models(run: Run) -> None:
    content = json.loads(run("weak.json pets.json --format json --limit 1")[1])
    assert [model["id"] for model in content["models"]] == [
        "EVA02-b-21k",
        "CLIP-L14-DataCompXL",
        "=weak",
        "CLIP-L14-Laion2B",
        "pets",
    ]
    assert content["models"][-1]["not_ranked"].startswith("published was measured on imagenet")


def test_csv(run: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(run("weak.json --format csv")[1])))
    assert len(rows) == 327
    assert (rows[0]["rank"], rows[0]["model"], rows[0]["architecture"]) == ("1", "EVA02-b-21k", "transformer")
    assert float(rows[0]["score"]) == rank(population("published"))[0].score
    assert {name: float(rows[0][name]) for name in SWIN_B} == dict(
        next(model.values for model in published_models() if model.id == "EVA02-b-21k")
    )


def test_csv_of_models_without_rank(run: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(run("--population screened --format csv")[1])))
    (hiera,) = [row for row in rows if row["model"] == "Hiera-B"]
    assert (hiera["rank"], hiera["score"], hiera["adversarial_robustness"]) == ("", "", "")
    assert hiera["notes"].startswith("not ranked: missing adversarial_robustness")


# Mistakes.


@pytest.mark.parametrize(
    "words",
    [
        "--weight acuracy=2",
        "--weight accuracy=-1",
        "--min accuracy=80",
        "--max parameters=many",
        "--max object_focus=nan",
        "--max accuracy=0.8 --max accuracy=0.9",
        "--architecture transfomer",
        "--population fleet.json --training adversarial",
    ],
)
def test_mistakes(run: Run, words: str, snapshot: SnapshotAssertion) -> None:
    assert run(words) == (4, "", snapshot)
