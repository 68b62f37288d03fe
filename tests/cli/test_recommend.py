"""`quba-check published recommend` as people type it: lists at 80 columns, JSON, CSV, and mistakes."""

import csv
import io
import json
from pathlib import Path

import pytest
from cli.conftest import Run
from support.tuned import record
from syrupy.assertion import SnapshotAssertion

HARD = """schema: 1
protocol: released
dimensions:
  accuracy: {min: 0.84, max_drop: 0.01}
  corruption_robustness: {min: 0.8, parts: {fog: {min: 0.7}}}
  parameters: {max: 30}
"""


@pytest.fixture
def run(run: Run) -> Run:
    Path("hard.yaml").write_text(HARD, encoding="utf-8")
    return lambda words: run(f"published recommend {words}")


EASY = "accuracy: {min: 0.85}, calibration_error: {max: 0.5}"


@pytest.mark.parametrize(
    ("words", "demands"),
    [
        ("safety-critical --limit 2", ""),
        ("hard.yaml --limit 2", ""),
        ("mobile --population screened --limit 1", ""),
        ("suspect.yaml --limit 1", EASY),
        ("parts.yaml", "ood_robustness: {parts: {sketch: {min: 0.5}}}"),
        ("warn.yaml --limit 1", "accuracy: {min: 0.9, tier: warn}"),
    ],
)
def test_the_lists(run, words: str, demands: str, snapshot: SnapshotAssertion) -> None:
    if demands:
        text = f"schema: 1\ndimensions: {{{demands}}}\n"
        Path(words.partition(" ")[0]).write_text(text, encoding="utf-8")
    assert run(words) == (0, snapshot, "")


def test_models_are_fine_tuned_for_other_classes(run, snapshot: SnapshotAssertion) -> None:
    Path("own.yaml").write_text("schema: 1\ndimensions: {accuracy: {min: 0.8}}\n", encoding="utf-8")
    Path("r.json").write_text(record().to_json(), encoding="utf-8")
    assert run("own.yaml --record r.json --limit 2")[1] == snapshot
    content = json.loads(Path("r.json").read_text(encoding="utf-8"))
    content["suite"]["name"] = "imagenet"
    content["model"]["classes"] = 1000
    Path("r.json").write_text(json.dumps(content), encoding="utf-8")
    assert "Fine-tune" not in run("own.yaml --record r.json --limit 2")[1]


@pytest.mark.parametrize(
    "words",
    ["default", "mobile", "safety-critical --population screened", "server --population demo", "hard.yaml"],
)
def test_it_fits_eighty_columns(run, words: str) -> None:
    out = run(words)[1]
    assert [line for line in out.splitlines() if len(line) > 80 and "pytest --model" not in line] == []


def test_parts_of_another_suite_need_its_record(run, snapshot: SnapshotAssertion) -> None:
    Path("own.yaml").write_text(
        "schema: 1\ndimensions: {accuracy: {min: 0.8}, ood_robustness: {parts: {night: {min: 0.5}}}}\n",
        encoding="utf-8",
    )
    assert run("own.yaml")[2] == snapshot
    part = {"value": 0.5, "unit": "ratio", "better": "high"}
    rows = {"ood_robustness": part | {"parts": {"night": part}}}
    Path("r.json").write_text(record(measurements=rows).to_json(), encoding="utf-8")
    out = run("own.yaml --record r.json --limit 1")[1]
    assert "not decidable: ood_robustness.night[min] >= 0.5: the population has values of\n" in out


def test_json_has_every_model_and_check(run) -> None:
    content = json.loads(run("hard.yaml --format json")[1])
    assert [row["demand"] for row in content["not_decidable"]] == [
        "accuracy[max_drop]",
        "corruption_robustness.fog[min]",
    ]
    assert len(content["models"]) == 326
    first = content["models"][0]
    assert (first["id"], first["status"]) == ("NS-EfficientNet-B5", "misses")
    assert first["distance"] == pytest.approx(
        -sum(row["margin"] for row in first["demands"] if row["decision"] == "missed")
    )
    suspects = [row for one in content["models"] for row in one["demands"] if row["suspect"]]
    assert {row["decision"] for row in suspects} == {"undecided"}


def test_csv(run) -> None:
    rows = list(csv.DictReader(io.StringIO(run("mobile --format csv --limit 2")[1])))
    assert [row["status"] for row in rows] == ["meets"] * 2 + ["undecided"] * 2 + ["misses"] * 2
    assert rows[0]["command"] == (
        "pytest --model=timm:tf_efficientnet_b1.ns_jft_in1k --quba-thresholds=mobile"
    )
