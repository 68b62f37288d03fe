"""The QUBA score: published scores, the formula by hand, properties."""

import json
import math
import statistics
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.core.dimension import PUBLISHED_DIMENSIONS, WEIGHTS
from quba_check.errors import PopulationError, UserError
from quba_check.grading import population, published_models, quba_score
from quba_check.grading.population import normalisation

PUBLISHED_SCORES = json.loads((Path(__file__).parent / "published_scores.json").read_text(encoding="utf-8"))
MEAN = dict(population("published").mu)

values = st.fixed_dictionaries(
    {name: st.floats(0, 500 if name == "parameters" else 1) for name in PUBLISHED_DIMENSIONS}
)
weight = st.floats(0.125, 8)


def test_published_scores_to_the_last_printed_digit():
    scores = {model.id: quba_score(model.values) for model in published_models()}
    assert scores.keys() == PUBLISHED_SCORES["scores"].keys()
    assert scores == pytest.approx(PUBLISHED_SCORES["scores"], abs=1e-9, rel=1e-9)


def test_one_deviation_of_one_dimension_counts_its_weight():
    sigma = population("published").sigma
    expected = {
        "accuracy": 1,
        "adversarial_robustness": 1 / 3,
        "corruption_robustness": 1 / 3,
        "ood_robustness": 1 / 3,
        "calibration_error": -1,
        "class_balance": 1,
        "object_focus": 0.5,
        "shape_bias": 0.5,
        "parameters": -1,
    }
    for name, share in expected.items():
        score = quba_score({**MEAN, name: MEAN[name] + sigma[name]})
        assert score == pytest.approx(share / 6, abs=1e-12), name


def test_weights_replace_the_defaults():
    sigma = population("published").sigma
    better = {**MEAN, "accuracy": MEAN["accuracy"] + sigma["accuracy"]}
    assert quba_score(better, weights={"accuracy": 2}) == pytest.approx(2 / 7, abs=1e-12)
    only_accuracy = dict.fromkeys(PUBLISHED_DIMENSIONS, 0) | {"accuracy": 3}
    assert quba_score(better, weights=only_accuracy) == pytest.approx(1, abs=1e-12)


@settings(deadline=None, derandomize=True)
@given(values, st.fixed_dictionaries(dict.fromkeys(PUBLISHED_DIMENSIONS, weight)))
def test_score_is_the_weighted_mean_of_the_single_scores(values, weights):
    nothing = dict.fromkeys(PUBLISHED_DIMENSIONS, 0)
    single = {name: quba_score(values, weights=nothing | {name: 1}) for name in PUBLISHED_DIMENSIONS}
    mean = math.fsum(weights[name] * single[name] for name in single) / math.fsum(weights.values())
    assert quba_score(values, weights=weights) == pytest.approx(mean, rel=1e-9, abs=1e-9)


NAMES = ", ".join(PUBLISHED_DIMENSIONS)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (
            {name: MEAN[name] for name in PUBLISHED_DIMENSIONS if name not in ("accuracy", "shape_bias")},
            {},
            "quba_score: missing accuracy, shape_bias. Allowed: a value for each of the nine dimensions.",
        ),
        (
            {**MEAN, "acuracy": 0.7},
            {},
            f"values: unknown dimension 'acuracy'. Allowed: {NAMES}. Did you mean 'accuracy'?",
        ),
        (
            {**MEAN, "accuracy": math.nan},
            {},
            "values: accuracy cannot be scored, got nan. Allowed: a finite number.",
        ),
        (MEAN, {"weights": {"speed": 1}}, f"weights: unknown dimension 'speed'. Allowed: {NAMES}."),
        (
            MEAN,
            {"weights": {"accuracy": -1}},
            f"weights: accuracy is not a valid weight, got -1. Allowed: {WEIGHTS}.",
        ),
        (
            MEAN,
            {"weights": dict.fromkeys(PUBLISHED_DIMENSIONS, 0)},
            "weights: all nine are 0. Allowed: at least one above 0.",
        ),
    ],
)
def test_invalid_arguments(values, options, message):
    with pytest.raises(UserError) as raised:
        quba_score(values, **options)
    assert str(raised.value) == message


def test_unknown_population_is_named():
    with pytest.raises(PopulationError) as raised:
        quba_score(MEAN, population="publishd")
    assert str(raised.value) == (
        "population: no such name or file, got 'publishd'. Allowed: published, screened, demo, or a file "
        "that 'quba-check published population' made. Did you mean 'published'?"
    )


@settings(deadline=None, derandomize=True)
@given(st.lists(st.integers(-1000, 1000), min_size=10, max_size=60))
def test_equals_the_slow_way(values):
    cut = len(values) // 10
    kept = sorted(values)[cut : len(values) - cut]
    if len(set(kept)) == 1:
        with pytest.raises(PopulationError):
            normalisation(values)
        return
    found = normalisation(values)
    assert found.mu == pytest.approx(statistics.fmean(kept), abs=1e-9)
    assert found.sigma == pytest.approx(statistics.pstdev(kept), abs=1e-9)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (range(9), "too few models to compare with, got 9. Allowed: 10 or more."),
        ([0, *[2.5] * 9, 7], "no spread to compare with: 9 of 11 models have 2.5"),
        ([math.nan, *range(12)], "a value is not a finite number"),
    ],
)
def test_refuses_what_cannot_be_compared_with(values, message):
    with pytest.raises(PopulationError) as raised:
        normalisation(values)
    assert str(raised.value) == message
