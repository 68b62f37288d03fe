"""`quba-check published show`: values, ranks and doubts of a published model."""

from __future__ import annotations

import pytest
from cli.conftest import Run
from scipy import stats

from quba_check.cli.published.show import value_rows
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.dimensions import registry
from quba_check.grading import Population, PopulationRow, population, published_models


def test_a_model_that_timm_has(run: Run) -> None:
    code, out, _ = run("published show EVA02-b-21k")
    assert code == 0
    assert out == (
        "EVA02-b-21k: transformer, pretraining imagenet-21k, training self-supervised\n"
        "published: QUBA 1.0738, rank 1 of 326, 99th percentile, grade A\n"
        "screened: QUBA 1.0540, rank 1 of 219, 99th percentile, grade A\n"
        "dimension               better   value      mean  deviations        rank\n"
        "accuracy                high    0.8826    0.7991       +2.41    1 of 326\n"
        "adversarial_robustness  high    0.2137    0.1858       +0.25  135 of 326\n"
        "corruption_robustness   high    0.8066    0.5299       +1.18   10 of 326\n"
        "ood_robustness          high    0.8635    0.5665       +2.04   28 of 326\n"
        "calibration_error       low     0.0039    0.0045       +0.22  178 of 326\n"
        "class_balance           high    0.8320    0.7834       +2.02   33 of 326\n"
        "object_focus            high    0.9712    0.9286       +2.40    4 of 326\n"
        "shape_bias              high    0.3350    0.3055       +0.35  111 of 326\n"
        "parameters              low     87.1 M    55.3 M       -0.74  233 of 326\n"
        "mean: trimmed mean of the published models; deviations: standard deviations,\n"
        "  positive is better\n"
        "timm: eva02_base_patch14_448.mim_in22k_ft_in1k\n"
        "measure it: pytest --model=timm:eva02_base_patch14_448.mim_in22k_ft_in1k --quba-data=DIR\n"
    )


@pytest.mark.parametrize("prefix", ["", "timm:"])
def test_a_name_of_timm(prefix: str, run: Run) -> None:
    code, out, _ = run(f"published show {prefix}inception_v4.tf_in1k")
    assert code == 0
    assert out.startswith("InceptionV4: cnn, pretraining imagenet-1k, training supervised\n")


def test_suspect_values(run: Run) -> None:
    code, out, _ = run("published show clip-resnet101")
    assert code == 0
    lines = out.splitlines()
    assert lines[2:5] == [
        "screened: not ranked: missing adversarial_robustness, corruption_robustness,",
        "  ood_robustness, calibration_error, class_balance, parameters (suspect:",
        "  double-softmax, train-mode)",
    ]
    marked = [line.split()[0] for line in lines[6:15] if "  ?  " in line]
    assert marked == [
        "adversarial_robustness",
        "corruption_robustness",
        "ood_robustness",
        "calibration_error",
        "class_balance",
        "parameters",
    ]
    assert lines[17:] == [
        "? double-softmax: the probabilities seem to have passed through softmax twice,",
        "  which affects adversarial_robustness, calibration_error, class_balance",
        "  (inferred from the results, not proven)",
        "? train-mode: the attacks seem to have left BatchNorm in train mode, which",
        "  affects adversarial_robustness, corruption_robustness, ood_robustness,",
        "  calibration_error, class_balance (inferred from the results, not proven)",
        "? parameters: include the text encoder, which does not classify images",
        "timm: no name known",
    ]


@pytest.mark.parametrize("name", PUBLISHED_DIMENSIONS)
def test_ranks_are_those_of_scipy(name: str) -> None:
    sign = -1 if registry[name].better == "high" else 1
    expected = stats.rankdata([sign * model.values[name] for model in published_models()], method="min")
    published = population("published")
    rows = [next(value_rows({name: model.values[name]}, (), published)) for model in published_models()]
    assert [row[-1] for row in rows] == [f"{rank:.0f} of 326" for rank in expected]


def test_a_value_of_a_small_population() -> None:
    # Without the lowest and the highest of ten, 1 … 8 remain: mean 4.5, variance (8² - 1) / 12.
    rows = tuple(PopulationRow(f"m{k}", {"parameters": float(k)}) for k in range(10))
    values = {"parameters": 3.0, "accuracy": 0.5}
    (row,) = value_rows(values, ("parameters",), Population("p", "standard", "tiny", rows))
    distance = f"{1.5 / (63 / 12) ** 0.5:+.2f}"
    assert row == ("parameters", "low", "3.0 M", "?", "4.5 M", distance, "4 of 10")
