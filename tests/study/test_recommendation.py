"""Recommendations: hand-computed decisions and distances, and a plain loop over the published table."""

from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.gate import thresholds as read

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.dimensions import registry
from quba_check.grading import Population, PopulationRow, population, published_models, quba_score
from quba_check.study.recommendation import (
    NO_BASELINE,
    NO_PARTS,
    STATUSES,
    SUSPECT,
    CheckedModel,
    Recommendation,
    recommend,
)
from quba_check.suites.opening import published_facts

MODELS = {model.id: model for model in published_models()}


thresholds = partial(read, suite=published_facts())


def by_id(recommendation: Recommendation) -> dict[str, CheckedModel]:
    return {candidate.id: candidate for candidate in recommendation.candidates}


def fleet() -> Population:
    """Eleven models with accuracies 0.50, 0.51, …, 0.60 and one without; the trimmed sigma is known."""
    rows = [PopulationRow(f"m{k}", {"accuracy": 0.5 + k / 100, "parameters": 10.0 + k}) for k in range(11)]
    return Population("fleet", "standard", "tiny", (*rows, PopulationRow("bare", {"parameters": 5.0})))


def test_decisions_margins_and_distance_by_hand() -> None:
    models = by_id(
        recommend(thresholds("dimensions: {accuracy: {min: 0.55}, parameters: {max: 12}}"), fleet())
    )
    # Trimmed by one at each end: 0.51 to 0.59 in steps of 0.01, so the variance is (81 - 1) / 12 steps².
    sigma = 0.01 * (80 / 12) ** 0.5
    m3 = models["m3"]
    bare = models["bare"]
    assert [check.decision for check in m3.checks] == ["missed", "missed"]
    assert m3.checks[0].margin == pytest.approx(-0.02 / sigma)
    assert m3.distance == pytest.approx(0.02 / sigma + 1 / fleet().sigma["parameters"])
    assert (m3.status, models["m5"].status) == ("misses", "misses")
    assert models["m5"].closest == models["m5"].checks[1]
    assert models["m5"].checks[0].margin == pytest.approx(0, abs=1e-12)
    assert (bare.status, bare.checks[0].reason, bare.meets_as_published) == ("undecided", "no value", None)


def test_a_value_equal_to_the_threshold_meets_it() -> None:
    models = by_id(
        recommend(thresholds("dimensions: {accuracy: {min: 0.5}, parameters: {max: 10}}"), fleet())
    )
    assert models["m0"].status == "meets"
    assert str(models["m0"].checks[1].margin) == "0.0"


def test_what_the_table_cannot_answer_is_named_and_not_counted() -> None:
    file = thresholds(
        "protocol: standard\n"
        "dimensions:\n"
        "  accuracy: {min: 0.8, max_drop: 0.01}\n"
        "  adversarial_robustness: {min: 0.1}\n"
        "  corruption_robustness: {parts: {fog: {min: 0.7, tier: warn}}}\n"
    )
    recommendation = recommend(file, population("published"))
    reasons = {demand.name: reason for demand, reason in recommendation.not_decidable.items()}
    assert reasons == {
        "accuracy[max_drop]": NO_BASELINE,
        "adversarial_robustness[min]": (
            "its bound is for protocol standard, the values are of protocol released"
        ),
        "corruption_robustness.fog[min]": NO_PARTS,
    }
    assert [demand.name for demand in recommendation.decidable] == ["accuracy[min]"]
    assert [demand.name for demand in recommendation.undecidable] == [
        "accuracy[max_drop]",
        "adversarial_robustness[min]",
    ]
    assert all(len(candidate.checks) == 1 for candidate in recommendation.candidates)


def test_a_file_of_the_same_protocol_is_answered() -> None:
    file = thresholds("protocol: released\ndimensions: {adversarial_robustness: {min: 0.1}}")
    assert recommend(file, population("published")).not_decidable == {}


@pytest.mark.parametrize("name", ["published", "screened"])
def test_suspect_values_decide_nothing(name: str) -> None:
    file = thresholds("dimensions: {class_balance: {min: 0.7}, shape_bias: {min: 0.1}}")
    models = by_id(recommend(file, population(name)))
    check, other = models["metaclip-b16"].checks
    assert MODELS["metaclip-b16"].doubtful >= {"class_balance"}
    assert (check.decision, other.decision) == ("undecided", "met")
    assert models["metaclip-b16"].status == "undecided"
    if name == "published":
        assert (check.value, check.reason) == (MODELS["metaclip-b16"].values["class_balance"], SUSPECT)
        assert models["metaclip-b16"].meets_as_published is True
    else:
        assert (check.value, check.reason) == (None, "suspect value left out")
        assert models["metaclip-b16"].meets_as_published is None


def test_a_trustworthy_miss_decides_whatever_is_suspect() -> None:
    file = thresholds("dimensions: {class_balance: {min: 0.7}, shape_bias: {min: 0.99}}")
    model = by_id(recommend(file, population("published")))["metaclip-b16"]
    assert (model.status, len(model.misses), len(model.undecided)) == ("misses", 1, 1)


def test_the_default_profile_by_a_plain_loop() -> None:
    """The statuses from the table itself: three sets of names, without the code of demands."""
    file = thresholds("extends: default.yaml")
    bounds = {
        demand.dimension: (demand.key, float(demand.bound))
        for demand in file.demands
        if demand.tier == "block" and not demand.is_on_grade
    }
    assert len(bounds) == 7
    expected: dict[str, set[str]] = {status: set() for status in STATUSES}
    for model in published_models():
        trusted = model.screened
        doubted = model.doubtful & bounds.keys()
        misses = [
            name
            for name, (bound, limit) in bounds.items()
            if name in trusted and (trusted[name] < limit if bound == "min" else trusted[name] > limit)
        ]
        expected["misses" if misses else "undecided" if doubted else "meets"].add(model.id)
    recommendation = recommend(file, population("published"))
    assert {
        status: {model.id for model in recommendation.with_status(status)} for status in STATUSES
    } == expected


def test_scores_have_the_weights_of_the_file() -> None:
    file = thresholds("quba: {min_score: 0.5, weights: {accuracy: 3, parameters: 0}}")
    models = by_id(recommend(file, population("published")))
    model = models["ConvNextV2-B-21k"]
    score = quba_score(MODELS[model.id].values, weights={"accuracy": 3, "parameters": 0})
    assert model.score == pytest.approx(score, abs=1e-12)
    assert model.checks[0].margin == pytest.approx(score - 0.5)
    hiera = models["Hiera-B-Plus"]
    assert (hiera.checks[0].decision, hiera.is_score_suspect) == ("undecided", True)


def test_a_weight_of_zero_takes_the_suspicion_off_a_score() -> None:
    zero = ", ".join(f"{name}: 0" for name in MODELS["Hiera-B-Plus"].doubtful)
    file = thresholds(f"quba: {{min_score: 0.5, weights: {{{zero}}}}}")
    assert by_id(recommend(file, population("published")))["Hiera-B-Plus"].checks[0].decision != "undecided"


def test_letters_are_those_of_the_population() -> None:
    recommendation = recommend(thresholds("quba: {min_grade: A}"), population("published"))
    scores = {model.id: quba_score(model.values) for model in published_models()}
    best = sorted(scores, key=scores.__getitem__)[-32:]  # 32 models have an A
    meeting = {model.id for model in recommendation.with_status("meets")}
    assert meeting == {name for name in best if not MODELS[name].suspect}
    assert {model.checks[0].value for model in recommendation.with_status("meets")} == {"A"}


def test_a_grade_against_another_suite_is_not_decidable() -> None:
    file = thresholds("dimensions: {accuracy: {min: 0.8}}\nquba: {min_grade: C, population: demo}")
    assert list(recommend(file, population("published")).not_decidable.values()) == [
        "the file grades against demo, which was measured on another suite"
    ]


def test_tiers() -> None:
    file = thresholds(
        "dimensions:\n"
        "  accuracy: {min: 0.8}\n"
        "  shape_bias: {min: 0.99, tier: warn}\n"
        "  object_focus: {min: 0.99, tier: info}\n"
    )
    recommendation = recommend(file, population("published"))
    first = recommendation.candidates[0]
    assert first.status == "meets"
    assert [check.demand.name for check in first.warned] == ["shape_bias[min]"]
    assert first.distance == 0


def test_order_of_the_models() -> None:
    recommendation = recommend(thresholds("extends: mobile.yaml"), population("published"))
    statuses = [STATUSES.index(model.status) for model in recommendation.candidates]
    assert statuses == sorted(statuses)
    scores = [model.score or 0 for model in recommendation.with_status("meets")]
    assert scores == sorted(scores, reverse=True)
    decided = [model.distance for model in recommendation.with_status("misses") if not model.undecided]
    assert decided == sorted(decided)


@settings(max_examples=25)
@given(st.data())
def test_a_stricter_threshold_only_adds_misses(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(PUBLISHED_DIMENSIONS))
    values = sorted(model.values[name] for model in published_models())
    loose, strict = sorted(data.draw(st.lists(st.sampled_from(values), min_size=2, max_size=2)))
    bound = "min"
    if registry[name].better == "low":
        bound, loose, strict = "max", strict, loose
    before, after = (
        recommend(thresholds(f"protocol: released\ndimensions: {{{name}: {{{bound}: {limit!r}}}}}"), SMALL)
        for limit in (loose, strict)
    )
    old, new = ({one.id for one in result.with_status("meets")} for result in (before, after))
    assert new <= old
    distances = by_id(before)
    assert all(one.distance >= distances[one.id].distance - 1e-12 for one in after.candidates)


PUBLISHED = population("published")
SMALL = Population("published", "released", "imagenet", PUBLISHED.rows[::10], constants=PUBLISHED.constants)
