"""`quba-check published show`: values, ranks and doubts of a published model."""

import pytest
from cli.conftest import Run
from scipy import stats
from syrupy.assertion import SnapshotAssertion

from quba_check.cli.published.show import value_rows
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.dimensions import registry
from quba_check.grading import Population, PopulationRow, population, published_models


@pytest.mark.parametrize("name", ["EVA02-b-21k", "clip-resnet101"])
def test_a_model_that_timm_has_and_one_with_suspect_values(
    run: Run, name: str, snapshot: SnapshotAssertion
) -> None:
    assert run(f"published show {name}") == (0, snapshot, "")


@pytest.mark.parametrize("prefix", ["", "timm:"])
def test_a_name_of_timm(prefix: str, run: Run) -> None:
    code, out, _ = run(f"published show {prefix}inception_v4.tf_in1k")
    assert code == 0
    assert out.startswith("InceptionV4: cnn, pretraining imagenet-1k, training supervised\n")


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
