"""Ranks: published scores worked out apart from the package, constraints, and own models."""

import csv
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.errors import error_text
from support.own_records import own_run
from syrupy.assertion import SnapshotAssertion

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.errors import UserError
from quba_check.grading import Population, PopulationRow, population, published_models
from quba_check.grading.published import RELEASED_CONSTANTS
from quba_check.study.ranking import Constraints, RankedModel, property_values, rank

WEIGHTINGS: dict[str, dict[str, float]] = {
    "default": {},
    "robust": {"adversarial_robustness": 2, "corruption_robustness": 1.5, "accuracy": 0.25},
    "small": {"parameters": 3, "shape_bias": 0, "calibration_error": 0.1},
    "one": dict.fromkeys(PUBLISHED_DIMENSIONS, 0.0) | {"object_focus": 1e-6},
}
DEFAULTS = {
    "accuracy": Fraction(1),
    "adversarial_robustness": Fraction(1, 3),
    "corruption_robustness": Fraction(1, 3),
    "ood_robustness": Fraction(1, 3),
    "calibration_error": Fraction(1),
    "class_balance": Fraction(1),
    "object_focus": Fraction(1, 2),
    "shape_bias": Fraction(1, 2),
    "parameters": Fraction(1),
}


def exact_scores(weights: Mapping[str, float]) -> dict[str, float]:
    """The scores of the table in exact arithmetic, with the released constants, rounded at the end."""
    full = DEFAULTS | {name: Fraction(weight) for name, weight in weights.items()}
    text = files("quba_check.grading").joinpath("published.csv").read_text(encoding="utf-8")
    scores = {}
    for row in csv.DictReader(text.splitlines()):
        total = Fraction(0)
        for name, weight in full.items():
            constants = RELEASED_CONSTANTS[name]
            distance = (Fraction(row[name]) - Fraction(constants.mu)) / Fraction(constants.sigma)
            total += weight * (-distance if name in ("calibration_error", "parameters") else distance)
        scores[row["id"]] = float(total / sum(full.values()))
    return scores


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_published_ranks_are_those_of_exact_arithmetic(name: str) -> None:
    models = rank(population("published"), WEIGHTINGS[name])
    exact = exact_scores(WEIGHTINGS[name])
    assert len(models) == len(exact) == 326
    for model in models:
        assert model.score == pytest.approx(exact[model.id], abs=1e-9)
        better = sum(score - exact[model.id] > 1e-9 for score in exact.values())
        equal = sum(abs(score - exact[model.id]) <= 1e-9 for score in exact.values())
        assert better < model.rank <= better + equal
    assert [model.score for model in models] == sorted((model.score for model in models), reverse=True)


def test_screened_models_with_missing_values_are_not_ranked(snapshot: SnapshotAssertion) -> None:
    models = rank(population("screened"))
    assert sum(model.rank is not None for model in models) == 219
    assert [model.rank is None for model in models] == [False] * 219 + [True] * 107
    hiera = next(model for model in models if model.id == "Hiera-B")
    assert (hiera.score, hiera.percentile) == (None, None)
    assert hiera.reason == snapshot


def test_a_missing_value_without_weight_is_no_unmeasurable_reason() -> None:
    suspect = ("adversarial_robustness", "calibration_error", "class_balance")
    models = {model.id: model for model in rank(population("screened"), dict.fromkeys(suspect, 0.0))}
    assert models["Hiera-B"].rank is not None
    bounded = rank(
        population("screened"), dict.fromkeys(suspect, 0.0), Constraints(least={"class_balance": 0.1})
    )
    hiera = next(model for model in bounded if model.id == "Hiera-B")
    assert hiera.reason == "missing class_balance (suspect: double-softmax)"


# Constraints.


def test_constraints_select() -> None:
    """Scores stay, which a property below shows."""
    constraints = Constraints(
        least={"accuracy": 0.8},
        most={"parameters": 30.0},
        properties={"architecture": ("transformer", "b-cos"), "training": ("supervised",)},
    )
    models = rank(population("published"), constraints=constraints)
    assert {model.id for model in models} == {
        model.id
        for model in published_models()
        if model.values["accuracy"] >= 0.8
        and model.values["parameters"] <= 30
        and model.family in ("transformer", "b-cos")
        and model.training == "supervised"
    }


def test_bounds_include_their_value() -> None:
    models = rank(
        population("published"),
        constraints=Constraints(least={"accuracy": 0.5652}, most={"accuracy": 0.5652}),
    )
    assert [(model.id, model.rank, model.overall_rank) for model in models] == [("AlexNet", 1, 320)]


def test_an_unknown_architecture(snapshot: SnapshotAssertion) -> None:
    asked = Constraints(properties={"architecture": ("transfomer",)})
    assert error_text(UserError, rank, population("published"), constraints=asked) == snapshot


def test_a_population_without_properties(snapshot: SnapshotAssertion) -> None:
    asked = Constraints(properties={"training": ("adversarial",)})
    assert error_text(UserError, rank, population("demo"), constraints=asked) == snapshot


def test_property_values_begin_with_the_most_frequent() -> None:
    assert property_values(published_models(), "pretraining") == ("imagenet-1k", "large", "imagenet-21k")


# Own models. Twenty models with accuracy 0.50, 0.51, … and equal trimmed spread in nothing else.

FLEET = Population(
    "fleet", "standard", "tiny", tuple(PopulationRow(f"m{k}", {"accuracy": 0.5 + k / 100}) for k in range(20))
)


def own(accuracy: float, **changed: object) -> RankedModel:
    (model,) = [
        model for model in rank(FLEET, runs=[own_run({"accuracy": accuracy}, **changed)]) if model.is_own
    ]
    return model


def test_an_own_model_is_ranked_by_the_models_above_it() -> None:
    model = own(0.675)
    assert (model.id, model.file) == ("r50", "r50.json")
    assert (model.rank, model.overall_rank, model.percentile) == (3, 3, 90.0)


def test_a_tie_with_an_own_model() -> None:
    models = rank(FLEET, runs=[own_run({"accuracy": 0.68})])
    assert [(model.id, model.rank) for model in models[:4]] == [
        ("m19", 1),
        ("r50", 2),
        ("m18", 2),
        ("m17", 3),
    ]


def test_own_models_change_no_other_rank() -> None:
    alone = {model.id: model.rank for model in rank(FLEET)}
    runs = [own_run({"accuracy": accuracy}) for accuracy in (0.6, 0.99)]
    assert {model.id: model.rank for model in rank(FLEET, runs=runs) if not model.is_own} == alone


def test_the_interval_of_a_rank() -> None:
    # 95 % of 0.6 ± 0.01 is 0.5804 to 0.6196: m12 and above are better than the upper end, m9 than the lower.
    model = own(0.6, error=0.01)
    assert model.rank_interval == (9, 12)


def test_an_own_model_of_another_suite_is_not_ranked(snapshot: SnapshotAssertion) -> None:
    model = own(0.7, suite="pets")
    assert (model.rank, model.percentile) == (None, None)
    assert model.score is not None
    assert model.is_of_other_suite
    assert model.reason == snapshot


def test_an_own_model_of_another_suite_can_be_ranked_with_a_note(snapshot: SnapshotAssertion) -> None:
    run = own_run({"accuracy": 0.7}, suite="pets")
    model = rank(FLEET, runs=[run], allow_other_suite=True)[0]
    assert model.rank == 1
    assert model.notes == snapshot


@pytest.mark.parametrize(
    ("values", "most", "reason"),
    [
        ({"accuracy": 0.7}, {"accuracy": 0.65}, "accuracy 0.700 is above 0.650"),
        ({"parameters": 1.0}, {}, "missing accuracy (not measured)"),
        ({"accuracy": 0.6}, {"parameters": 30.0}, "missing parameters"),
    ],
)
def test_an_own_model_without_a_rank(values: dict[str, float], most: dict[str, float], reason: str) -> None:
    models = rank(FLEET, constraints=Constraints(most=most), runs=[own_run(values)])
    assert [(model.rank, model.reason) for model in models if model.is_own] == [(None, reason)]


def test_masked_values_are_no_evidence() -> None:
    models = published_population_with(own_run(masked=("zero gradients",)))
    (model,) = [model for model in models if model.is_own]
    assert model.rank is None
    assert model.reason == ("no evidence of robustness: adversarial_robustness is masked (zero gradients)")
    assert "adversarial_robustness" not in model.values


def published_population_with(run: object) -> list[RankedModel]:
    return rank(population("published"), runs=[run])  # type: ignore[list-item]


def test_an_own_copy_of_a_published_model_has_its_rank() -> None:
    swin = next(model for model in published_models() if model.id == "SwinV2-b-Win12to16-21k")
    models = published_population_with(own_run(swin.values))
    (copy,) = [model for model in models if model.is_own]
    original = next(model for model in models if model.id == swin.id)
    assert (copy.rank, copy.percentile) == (original.rank, original.percentile)
    assert copy.score == pytest.approx(original.score, abs=1e-12)


# Properties.

positive = st.floats(0.01, 100)
some_weights = st.dictionaries(st.sampled_from(PUBLISHED_DIMENSIONS), positive, max_size=4)


@given(some_weights, st.floats(0.01, 0.11), st.sampled_from(["accuracy", "parameters", "class_balance"]))
def test_a_constraint_keeps_the_order(weights: dict[str, float], bound: float, name: str) -> None:
    everything = rank(population("demo"), weights)
    selected = rank(population("demo"), weights, Constraints(most={name: bound}))
    order = [model.id for model in everything if model.values[name] <= bound]
    assert [model.id for model in selected] == order
    assert [model.rank for model in selected] == list(range(1, len(order) + 1))
    assert [replace(model, rank=model.overall_rank) for model in selected] == [
        model for model in everything if model.id in order
    ]
