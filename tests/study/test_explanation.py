"""A record explained: positions, costs of parts and points, computed by other means."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.gate import thresholds
from support.tuned import quantity, record
from syrupy.assertion import SnapshotAssertion

from quba_check.comparison.stored_run import StoredRun
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.view import CORRUPTIONS
from quba_check.dimensions import registry
from quba_check.grading import Population, population, published_models, quba_score
from quba_check.records.record import Record
from quba_check.study.explanation import Position, RecordExplanation, default_population, explain

DEIT = next(model for model in published_models() if model.id == "DeiT-b")
IMAGENET = {"name": "imagenet", "root": "/data", "fingerprint": "1" * 32}


def full(values: dict[str, float] | None = None, **changed: Any) -> Record:
    """A record of all nine dimensions, on ImageNet."""
    rows = {
        name: quantity(value, None, registry[name].unit, better=registry[name].better, parts={})
        for name, value in (values or DEIT.values).items()
    }
    model = record().model.model_dump() | {"classes": 1000}
    return record(
        **{"measurements": rows, "suite": IMAGENET, "model": model, "protocol": "released"} | changed
    )


def explained(content: Record, name: str = "published", text: str = "") -> RecordExplanation:
    settings = thresholds(text).quba if text else None
    return explain(StoredRun("r.json", content), population(name), settings)


def position(explanation: RecordExplanation, name: str) -> Position:
    return next(one for one in explanation.positions if one.name == name)


def with_parts(name: str, value: float, parts: dict[str, float], unit: str = "ratio") -> Position:
    better = registry[name].better
    rows = {
        name: quantity(
            value,
            None,
            unit,
            better=better,
            parts={part: quantity(number, None, unit, better=better) for part, number in parts.items()},
        )
    }
    return position(explained(record(measurements=rows)), name)


def test_positions_are_shares_of_worse_models() -> None:
    explanation = explained(full())
    for name in PUBLISHED_DIMENSIONS:
        values = [model.values[name] for model in published_models()]
        own = DEIT.values[name]
        worse = [
            value for value in values if (value > own if registry[name].better == "low" else value < own)
        ]
        assert position(explanation, name).better_than == pytest.approx(100 * len(worse) / 326)


def test_the_grade_is_that_of_the_published_row() -> None:
    result = explained(full()).grade
    assert result.score == pytest.approx(quba_score(DEIT.values), abs=1e-12)
    assert result.letter is not None


@pytest.mark.parametrize("name", PUBLISHED_DIMENSIONS)
def test_a_point_is_the_change_of_the_score(name: str) -> None:
    step = 1.0 if name == "parameters" else 0.01
    better = DEIT.values[name] + (step if registry[name].better == "high" else -step)
    gain = quba_score(DEIT.values | {name: better}) - quba_score(DEIT.values)
    assert position(explained(full()), name).point == pytest.approx(gain, rel=1e-9)


def test_points_with_the_weights_of_a_file() -> None:
    explanation = explained(full(), text="dimensions: {accuracy: {min: 0}}\nquba: {weights: {accuracy: 0}}")
    assert position(explanation, "accuracy").point is None
    usual = position(explained(full()), "parameters").point
    assert position(explanation, "parameters").point == pytest.approx((usual or 0) * 6 / 5)


def test_the_costs_of_corruptions_by_hand() -> None:
    parts = dict.fromkeys(CORRUPTIONS, 0.7) | {"fog": 0.4, "snow": 0.55}
    mean = sum(parts.values()) / 15
    fog, snow = with_parts("corruption_robustness", mean, parts).costs
    assert (fog.name, snow.name) == ("fog", "snow")
    # With fog at the mean of the others, 10.05 - 0.4 … the mean is theirs.
    assert fog.cost == pytest.approx((15 * mean - 0.4) / 14 - mean)


def test_the_high_part_costs_where_low_is_better() -> None:
    one = with_parts("calibration_error", (0.09 * 0.01) ** 0.5, {"ece": 0.09, "ace": 0.01}, "fraction")
    assert [(part.name, part.cost) for part in one.costs] == [("ece", pytest.approx(0.02))]


def test_parts_that_do_not_explain_the_value_cost_nothing() -> None:
    assert with_parts("adversarial_robustness", 0.5, {"fgsm": 0.2, "pgd": 0.05}).costs == ()


@given(st.lists(st.floats(0.05, 1), min_size=5, max_size=5))
def test_a_part_raised_to_the_mean_of_the_others_gains_its_cost(values: list[float]) -> None:
    parts = dict(zip(("sketch", "edge", "night", "rain", "film"), values, strict=True))
    mean = 1.0
    for value in values:
        mean *= value ** (1 / 5)
    one = with_parts("ood_robustness", mean, parts)
    assert [part.cost for part in one.costs] == sorted((part.cost for part in one.costs), reverse=True)
    for cost in one.costs:
        others = [value for name, value in parts.items() if name != cost.name]
        product = 1.0
        for value in others:
            product *= value
        raised = (product * product ** (1 / 4)) ** (1 / 5)
        assert raised - mean == pytest.approx(cost.cost, abs=1e-9)
        assert parts[cost.name] < mean


def test_object_focus_and_shape_bias_name_their_parts() -> None:
    one = with_parts("object_focus", 0.9, {"mixed_same": 0.95, "mixed_rand": 0.85}, "fraction")
    assert (one.costs, one.detail) == ((), "mixed_same 0.950, mixed_rand 0.850")


@pytest.mark.parametrize(
    ("row", "state"),
    [({"not_measured": True}, "not measured"), ({"unmeasurable": "no images"}, "unmeasurable")],
)
def test_a_dimension_without_a_value(row: dict[str, Any], state: str) -> None:
    rows = {name: one.model_dump() for name, one in full().measurements.items()} | {"shape_bias": row}
    explanation = explained(full(measurements=rows))
    one = position(explanation, "shape_bias")
    assert (one.measured, one.state, one.better_than) == (None, state, None)
    assert (explanation.grade.score, explanation.grade.missing) == (None, ("shape_bias",))
    assert one.point == position(explained(full()), "shape_bias").point


def test_a_masked_value_has_no_place() -> None:
    rows = {name: one.model_dump() for name, one in full().measurements.items()}
    rows["adversarial_robustness"]["masked"] = ["FGSM helps the model"]
    explanation = explained(full(measurements=rows))
    one = position(explanation, "adversarial_robustness")
    assert (one.state, one.better_than) == ("masked", None)
    assert "no evidence of robustness" in explanation.grade.not_graded


def test_custom_dimensions_come_last_without_a_place() -> None:
    rows = {name: one.model_dump() for name, one in full().measurements.items()}
    rows["latency"] = quantity(3.0, None, "ms", better="low", parts={})
    one = explained(full(measurements=rows)).positions[-1]
    assert (one.name, one.better_than, one.point, one.costs) == ("latency", None, None, ())


def test_strengths_and_weaknesses() -> None:
    explanation = explained(full())
    assert all((one.better_than or 0) >= 70 for one in explanation.strengths)
    assert all((one.better_than or 0) < 30 for one in explanation.weaknesses)
    shares = [one.better_than or 0 for one in explanation.strengths]
    assert shares == sorted(shares, reverse=True)
    assert not {one.name for one in explanation.strengths} & {one.name for one in explanation.weaknesses}


def test_caveats_of_another_suite_and_protocol(snapshot: SnapshotAssertion) -> None:
    assert explained(record()).caveats == snapshot
    assert explained(full(), "screened").caveats == ()


def test_attacks_of_another_protocol_have_no_position() -> None:
    explanation = explained(full(protocol="standard"))
    unknown = {one.name for one in explanation.positions if one.better_than is None}
    assert unknown == {"adversarial_robustness"}


def test_an_own_grade_of_other_weights_is_a_caveat() -> None:
    row = {
        "file": "x.yaml",
        "score": 5.0,
        "percentile": 99.0,
        "letter": "A",
        "population": "screened",
        "protocol_of_population": "released",
        "complete": True,
    }
    assert explained(full(grades=[row]), "screened").caveats == (
        "the run's own grade has other weights: name its threshold file with --thresholds",
    )
    other = row | {"population": "fleet"}
    assert explained(full(grades=[other]), "screened").caveats == (
        "the run was graded against fleet: name its file with --population",
    )
    row["score"] = quba_score(DEIT.values, population="screened")
    assert explained(full(grades=[row]), "screened").caveats == ()


def test_a_population_without_spread_has_positions_but_no_points() -> None:
    rows = tuple(
        type(population("demo").rows[0])(f"m{k}", {"accuracy": k / 20, "parameters": 1.0}) for k in range(12)
    )
    explanation = explain(StoredRun("r.json", record()), Population("flat", "standard", "tiny", rows))
    assert position(explanation, "accuracy").better_than == 100
    assert position(explanation, "accuracy").point is None
    assert "no spread to compare with" in explanation.caveats[0]


def test_the_population_of_a_suite() -> None:
    assert default_population(full()) == "published"
    assert default_population(record()) == "published"
    assert default_population(record(suite=IMAGENET | {"name": "demo"})) == "demo"
