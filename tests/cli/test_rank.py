"""`quba-check published rank`: its table, its formats, and mistakes."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from cli.conftest import Run
from support.own_records import SWIN_B, own_run

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


CROSSED = (
    "cross-protocol: adversarial_robustness:\n"
    "  published attacks the normalised input (protocol released), these values\n"
    "  pixels (protocol standard); that part of the score is not comparable\n"
)
SCORE = (
    "score: weighted mean of the distances from the population's mean, in standard\n"
    "  deviations; mean and deviation are those of the whole population"
)


def test_the_table(run: Run) -> None:
    assert run("swin.json --limit 3") == (
        0,
        "published: 326 models on imagenet, protocol released\n"
        "weights: default\n"
        "rank  model                          score  accuracy  parameters  architecture\n"
        "   1  EVA02-b-21k                   1.0738     0.883      87.1 M  transformer\n"
        "   2  Hiera-B-Plus *                1.0310     0.850      69.9 M  transformer\n"
        "   3  ConvNextV2-B-21k              0.9639     0.867      88.7 M  cnn\n"
        "      ...\n"
        " 120  Singh2023Rev...Xt-S-ConvStem  0.2331     0.743      50.3 M  cnn\n"
        " 121  > swin                        0.2265     0.836      87.8 M\n"
        " 121  Swin-B                        0.2265     0.836      87.8 M  transformer\n"
        "shown: 5 of 326 ranked models; --limit N shows more\n"
        f"> swin (swin.json): rank 121 of 327; {CROSSED}"
        ">: your records; other ranks do not count them\n"
        "* double-softmax: the probabilities seem to have passed through softmax twice,\n"
        "  which affects adversarial_robustness, calibration_error, class_balance\n"
        "  (inferred from the results, not proven)\n"
        f"{SCORE}\n",
        "",
    )


def test_constraints_and_weights(run: Run) -> None:
    words = (
        "--weight adversarial_robustness=2 --max parameters=30 --min accuracy=0.8 "
        "--architecture transformer --limit 2"
    )
    assert run(words)[1] == (
        "published: 326 models on imagenet, protocol released\n"
        "weights: adversarial_robustness 2; else default\n"
        "constraints: accuracy >= 0.8; parameters <= 30; architecture transformer\n"
        "                                                          adversarial\n"
        "rank  model         score  overall  accuracy  parameters   robustness\n"
        "   1  CaiT-xs24    0.6870       47     0.841      26.7 M        0.263\n"
        "   2  DeiT3-s-21k  0.6663       51     0.831      22.1 M        0.275\n"
        "shown: 2 of 31 ranked models; --limit N shows more\n"
        f"{SCORE}, whatever the\n"
        "  constraints; overall: rank without them\n"
    )


def test_a_record_of_another_suite(run: Run) -> None:
    lines = run("pets.json --limit 1 --architecture cnn --architecture b-cos")[1]
    assert (
        "> pets (pets.json): score 0.2265, not ranked: published was measured on\n"
        "  imagenet, this run on pets: scores compare models on the same images.\n"
        "  --allow-other-suite ranks it nevertheless\n"
    ) in lines
    assert "   > pets" not in lines
    out = " ".join(run("pets.json --limit 1 --architecture cnn --allow-other-suite")[1].split())
    assert "> pets (pets.json): rank 34 of 171; published was measured on imagenet, this run on pets; " in out
    assert "architecture: unknown for your records, so they are ranked anyway" in out


def test_a_record_without_a_value(run: Run) -> None:
    assert (
        "> partial (partial.json): not ranked: missing adversarial_robustness,\n"
        "  corruption_robustness, ood_robustness, calibration_error, class_balance,\n"
        "  object_focus, shape_bias, parameters (not measured). --weight NAME=0 leaves a\n"
        "  dimension out for all models\n"
    ) in run("partial.json --limit 1")[1]
    zeros = " ".join(f"--weight {name}=0" for name in SWIN_B if name != "accuracy")
    assert (
        "> partial (partial.json): rank 301 of 327; "
        in (run(f"partial.json --limit 1 --allow-other-suite {zeros}")[1])
    )


def test_models_without_a_value(run: Run) -> None:
    assert (
        "not ranked (5): Hiera-T, Hiera-S, Hiera-B and 2 more: missing\n"
        "  adversarial_robustness, calibration_error, class_balance (suspect:\n"
        "  double-softmax)\n"
    ) in run("--population screened --limit 1")[1]


def test_a_population_of_a_file(run: Run) -> None:
    lines = run("--population fleet.json --limit 1")[1].splitlines()
    assert lines == [
        "fleet: 20 models on tiny, protocol standard",
        "weights: default",
        "rank  model   score  accuracy",
        "   1  m19    2.0608     0.690",
        "shown: 1 of 20 ranked models; --limit N shows more",
        "fleet has no values of adversarial_robustness, corruption_robustness,",
        "  ood_robustness, calibration_error, class_balance, object_focus, shape_bias,",
        "  parameters, so they weigh 0",
        *SCORE.splitlines(),
    ]


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
    ("words", "message"),
    [
        (
            "--weight acuracy=2",
            "--weight: unknown dimension, got 'acuracy'. Allowed: accuracy, adversarial_robustness, "
            "corruption_robustness, ood_robustness, calibration_error, class_balance, object_focus, "
            "shape_bias, parameters. Did you mean 'accuracy'?",
        ),
        (
            "--weight accuracy=-1",
            "--weight: accuracy: got '-1'. Allowed: 0, or a number from 0.000001 to 1,000,000.",
        ),
        ("--min accuracy=80", "--min: accuracy: got '80'. Allowed: a number from 0 to 1."),
        ("--max parameters=many", "--max: parameters: got 'many'. Allowed: a number from 0, in millions."),
        ("--max object_focus=nan", "--max: object_focus: got 'nan'. Allowed: a finite number."),
        (
            "--max accuracy=0.8 --max accuracy=0.9",
            "--max: accuracy is given 2 times, got 0.8, 0.9. Allowed: once for each dimension.",
        ),
        (
            "--architecture transfomer",
            "--architecture: got 'transfomer'. Allowed: cnn, transformer, vision-language, b-cos. "
            "Did you mean 'transformer'?",
        ),
        (
            "--population fleet.json --training adversarial",
            "--training: it is not known for the models of population 'fleet', got 'adversarial'. "
            "Allowed: only with the populations published and screened.",
        ),
    ],
)
def test_mistakes(run: Run, words: str, message: str) -> None:
    assert run(f"{words}") == (4, "", f"ERROR: quba-check published rank: {message}\n")


def test_no_weight(run: Run) -> None:
    zeros = " ".join(f"--weight {name}=0" for name in SWIN_B)
    assert run(f"{zeros}") == (4, "", "ERROR: weights: all nine are 0. Allowed: at least one above 0.\n")
