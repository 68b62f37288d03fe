"""Grades: percentile, letter, and what may be missing."""

import pytest

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.grade import GradeRules
from quba_check.errors import PopulationError, UserError
from quba_check.grading import (
    GradedRun,
    Population,
    PopulationRow,
    grade,
    population,
    published_models,
    quba_score,
)
from quba_check.grading.population import full_weights

MODELS = {model.id: model for model in published_models()}
SWIN = MODELS["Swin-B"].values
RELEASED = GradedRun("released")


def fleet(n=12, without=()):
    """Return n models with evenly spaced values, the last one best."""

    def values(k):
        every = dict.fromkeys(PUBLISHED_DIMENSIONS, 0.02 * k)
        every |= {"parameters": 20.0 - k, "calibration_error": 0.9 - 0.02 * k}
        return {name: value for name, value in every.items() if name not in without}

    return Population(
        "fleet", "standard", "mine", tuple(PopulationRow(f"model-{k}", values(k)) for k in range(n))
    )


def without(*names):
    return {name: value for name, value in SWIN.items() if name not in names}


def test_grade_of_a_published_model():
    graded = grade(SWIN, run=RELEASED)
    lower = sum(quba_score(model.values) < quba_score(SWIN) for model in MODELS.values())
    assert graded.score == quba_score(SWIN)
    assert graded.percentile == 100 * lower / 326
    assert (graded.letter, graded.population, graded.protocol_of_population) == ("C", "published", "released")
    assert (graded.complete, graded.missing, graded.cross_protocol, graded.notes) == (True, (), (), ())


def test_best_and_worst():
    best = grade(MODELS["EVA02-b-21k"].values)
    worst = grade(MODELS["SigLIP2-l/16"].values)
    assert (best.percentile, best.letter) == (100 * 325 / 326, "A")
    assert (worst.percentile, worst.letter) == (0, "F")


def test_missing_dimensions_are_not_graded():
    graded = grade(without("shape_bias", "accuracy"))
    assert (graded.score, graded.percentile, graded.letter) == (None, None, None)
    assert (graded.complete, graded.missing) == (False, ("accuracy", "shape_bias"))
    assert grade({}).missing == PUBLISHED_DIMENSIONS
    assert grade({}, GradeRules(allow_missing=PUBLISHED_DIMENSIONS)).score is None


def test_partial_grade_scores_the_population_over_the_same_dimensions():
    graded = grade(without("shape_bias"), GradeRules(allow_missing=["shape_bias"]), run=RELEASED)
    weights = {"shape_bias": 0}
    score = quba_score(SWIN, weights=weights)
    lower = sum(quba_score(model.values, weights=weights) < score for model in MODELS.values())
    assert graded.score == pytest.approx(score, abs=1e-12)
    assert graded.percentile == 100 * lower / 326
    assert (graded.complete, graded.missing) == (False, ("shape_bias",))
    assert graded.notes == ("partial: without shape_bias",)


def test_what_is_allowed_to_be_missing_but_is_there_counts():
    assert grade(SWIN, GradeRules(allow_missing=["shape_bias"])) == grade(SWIN)


def test_custom_weights_score_the_population_too():
    weights = dict.fromkeys(PUBLISHED_DIMENSIONS, 0) | {"accuracy": 1}
    graded = grade(SWIN, GradeRules(weights=weights))
    lower = sum(model.values["accuracy"] < SWIN["accuracy"] for model in MODELS.values())
    assert graded.percentile == 100 * lower / 326


def test_screened_population():
    graded = grade(SWIN, population="screened", run=RELEASED)
    screened = population("screened")
    scores = [screened.score(model.values, full_weights()) for model in MODELS.values() if not model.suspect]
    assert len(scores) == 219
    assert graded.percentile == 100 * sum(score < graded.score for score in scores) / 219


def test_dimension_that_the_population_lacks_weighs_nothing():
    lacking = fleet(without=["shape_bias"])
    graded = grade(SWIN, population=lacking)
    assert graded.score == grade({**SWIN, "shape_bias": 0.99}, population=lacking).score
    assert (graded.complete, graded.missing) == (False, ("shape_bias",))
    assert graded.notes == ("partial: without shape_bias",)
    assert quba_score(SWIN, population=lacking) == graded.score


ALIKE = tuple(PopulationRow(row.id, {**row.values, "parameters": 5.0}) for row in fleet().rows)
WEIGHTLESS = "To grade without it, give it the weight 0."
OTHERS = ", ".join(PUBLISHED_DIMENSIONS[1:])


@pytest.mark.parametrize(
    ("name", "rows", "weights", "message"),
    [
        ("alike", ALIKE, {}, f"parameters: no spread to compare with: 10 of 12 models have 5. {WEIGHTLESS}"),
        (
            "small",
            fleet().rows[:3],
            {},
            f"accuracy: too few models to compare with, got 3. Allowed: 10 or more. {WEIGHTLESS}",
        ),
        ("empty", (), {}, "it has no models. Allowed: 10 or more."),
        (
            "gaps",
            fleet(3, ["accuracy"]).rows + fleet().rows[3:] + fleet(13, ["shape_bias"]).rows[12:],
            {},
            f"too few models have all of accuracy, {OTHERS}, got 9. Allowed: 10 or more.",
        ),
        (
            "without",
            fleet(without=["accuracy"]).rows,
            dict.fromkeys(PUBLISHED_DIMENSIONS, 0) | {"accuracy": 1},
            f"it has none of the dimensions with a weight above 0. It has values of {OTHERS}.",
        ),
    ],
)
def test_populations_that_values_cannot_be_compared_with(name, rows, weights, message):
    with pytest.raises(PopulationError) as raised:
        grade(SWIN, GradeRules(weights=weights), population=Population(name, "standard", "mine", rows))
    assert str(raised.value) == f"population '{name}': {message}"


def test_same_size_everywhere_needs_the_weight_zero():
    alike = Population("alike", "standard", "mine", ALIKE)
    assert grade(SWIN, GradeRules(weights={"parameters": 0}), population=alike).score is not None


def test_unknown_name_in_allow_missing():
    with pytest.raises(
        UserError, match=r"^allow_missing: unknown dimension 'shapebias'\. Allowed: .* Did you mean"
    ):
        grade(SWIN, GradeRules(allow_missing=["shapebias"]))
