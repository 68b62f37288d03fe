"""`quba-check published recommend` as people type it: lists at 80 columns, JSON, CSV, and mistakes."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from cli.conftest import Run
from support.tuned import record

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


def test_models_that_meet_a_profile(run) -> None:
    code, out, err = run("safety-critical --limit 2")
    assert (code, err) == (0, "")
    assert out == (
        "quba_check/thresholds/safety-critical.yaml: 54 of 326 models of published meet\n"
        "  the 8 blocking demands that it can answer; 1 more cannot be decided\n"
        "not decidable: adversarial_robustness[min] >= 0.1: its threshold is for protocol\n"
        "  standard, the values are of protocol released\n"
        "values: protocol released on imagenet, without intervals; the file is for\n"
        "  protocol standard, which measures the adversarial_robustness in grades\n"
        "  differently\n"
        "\n"
        "model              score  margin  closest demand\n"
        "EVA02-b-21k        1.074    0.41  calibration_error[max]\n"
        "ConvNextV2-B-21k   0.964    0.61  corruption_robustness[min]\n"
        "margin: of the closest blocking demand, in standard deviations of the population\n"
        "shown: 2 of 54; --limit N shows more\n"
        "\n"
        "not decided by trustworthy values: 0 models that may meet the demands, and 12\n"
        "  with a suspect value that misses one. Suspect is inferred from patterns of the\n"
        "  table, not proven\n"
        "\n"
        "Measure one on your images:\n"
        "  pytest --model=timm:eva02_base_patch14_448.mim_in22k_ft_in1k --quba-thresholds=safety-critical\n"
        "  pytest --model=timm:convnextv2_base.fcmae_ft_in22k_in1k --quba-thresholds=safety-critical\n"
    )


def test_the_nearest_models_and_what_each_misses(run) -> None:
    code, out, _ = run("hard.yaml --limit 2")
    assert code == 0
    assert out == (
        "hard.yaml: 0 of 326 models of published meet the 3 blocking demands that it can\n"
        "  answer; 2 more cannot be decided\n"
        "not decidable: accuracy[max_drop] drop <= 0.01: a drop needs two runs of one\n"
        "  model, the population has one value each\n"
        "not decidable: corruption_robustness.fog[min] >= 0.7: the population has values\n"
        "  of whole dimensions, not of parts\n"
        "values: protocol released on imagenet, without intervals\n"
        "\n"
        "nearest             distance  misses\n"
        "NS-EfficientNet-B5      0.19  corruption_robustness 0.757 < 0.800 (0.18)\n"
        "                              parameters 30.400 M > 30.000 M (0.01)\n"
        "ViT-t21-16-21k          0.20  corruption_robustness 0.753 < 0.800 (0.20)\n"
        "distance: sum of the shortfalls of the missed blocking demands, each in standard\n"
        "  deviations of the population (trimmed, as in the QUBA score); a score counts\n"
        "  as it is\n"
        "shown: 2 of 326; --limit N shows more\n"
        "\n"
        "Measure one on your images:\n"
        "  pytest --model=timm:tf_efficientnet_b5.ns_jft_in1k --quba-thresholds=hard.yaml\n"
        "  pytest --model=timm:tiny_vit_21m_224.dist_in22k_ft_in1k --quba-thresholds=hard.yaml\n"
    )


def test_screened_values_are_left_out(run) -> None:
    out = run("mobile --population screened --limit 1")[1]
    assert "16 of 326 models of screened meet" in out
    assert (
        "\nnot decided by trustworthy values: 25 models that may meet the demands, and 0\n"
        "  with a suspect value that misses one. Suspect is inferred from patterns of the\n"
        "  table, not proven\n"
        "model                         depends on\n"
    ) in out


def test_a_suspect_value_that_meets_the_demands_is_listed(run) -> None:
    Path("easy.yaml").write_text(
        "schema: 1\ndimensions: {accuracy: {min: 0.85}, calibration_error: {max: 0.5}}\n", encoding="utf-8"
    )
    out = run("easy.yaml --limit 1")[1]
    assert "model          score  depends on\nHiera-B-Plus  1.031?  calibration_error\n" in out


def test_models_are_fine_tuned_for_other_classes(run) -> None:
    Path("own.yaml").write_text("schema: 1\ndimensions: {accuracy: {min: 0.8}}\n", encoding="utf-8")
    Path("r.json").write_text(record().to_json(), encoding="utf-8")
    out = run("own.yaml --record r.json --limit 2")[1]
    assert out.endswith(
        "\n\nThese models know other classes than those of tiny. Fine-tune one:\n"
        "  eva02_base_patch14_448.mim_in22k_ft_in1k\n"
        "  pytest --model=FINE_TUNED.pt --quba-arch=NAME --quba-thresholds=own.yaml\n"
        "without a known name in timm: 1 of these 2\n"
    )
    content = json.loads(Path("r.json").read_text(encoding="utf-8"))
    content["suite"]["name"], content["model"]["classes"] = "imagenet", 1000
    Path("r.json").write_text(json.dumps(content), encoding="utf-8")
    assert "Fine-tune" not in run("own.yaml --record r.json --limit 2")[1]


@pytest.mark.parametrize(
    "words",
    ["default", "mobile", "safety-critical --population screened", "server --population demo", "hard.yaml"],
)
def test_it_fits_eighty_columns(run, words: str) -> None:
    out = run(words)[1]
    assert [line for line in out.splitlines() if len(line) > 80 and "pytest --model" not in line] == []


def test_a_file_of_parts_alone_recommends_nothing(run) -> None:
    Path("parts.yaml").write_text(
        "schema: 1\ndimensions: {ood_robustness: {parts: {sketch: {min: 0.5}}}}\n", encoding="utf-8"
    )
    assert run("parts.yaml")[1] == (
        "parts.yaml: published can answer none of its blocking demands, so it recommends\n"
        "  nothing\n"
        "not decidable: ood_robustness.sketch[min] >= 0.5: the population has values of\n"
        "  whole dimensions, not of parts\n"
        "values: protocol released on imagenet, without intervals; the file states no\n"
        "  protocol, so it is for protocol standard\n"
    )


def test_a_file_that_blocks_nothing(run) -> None:
    Path("warn.yaml").write_text(
        "schema: 1\ndimensions: {accuracy: {min: 0.9, tier: warn}}\n", encoding="utf-8"
    )
    assert run("warn.yaml --limit 1")[1].splitlines()[:6] == [
        "warn.yaml: has no blocking demand, so every model passes; the order is that of",
        "  the score",
        "values: protocol released on imagenet, without intervals; the file states no",
        "  protocol, so it is for protocol standard",
        "",
        "model         score  warns",
    ]


def test_parts_of_another_suite_need_its_record(run) -> None:
    Path("own.yaml").write_text(
        "schema: 1\ndimensions: {accuracy: {min: 0.8}, ood_robustness: {parts: {night: {min: 0.5}}}}\n",
        encoding="utf-8",
    )
    assert run("own.yaml")[2] == (
        "ERROR: own.yaml:2: ood_robustness has no part 'night'. Allowed on the suite 'imagenet': imagenet_r, "
        "sketch, stylized, edge, silhouette.\n"
    )
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
