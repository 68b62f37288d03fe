"""Published values next to measured ones: agreement, scores and notes by hand."""

import pytest
from syrupy.assertion import SnapshotAssertion

from quba_check.core.confidence import SCORES, ConfidenceCurve
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.measurement import Measurement, Outcome, Unmeasurable
from quba_check.dimensions import registry
from quba_check.grading import published_models, quba_score
from quba_check.study.reproduction import Reproduction, reproduction_notes, reproductions, scores

MODEL = next(model for model in published_models() if model.id == "DeiT-b")


def measured(name: str, value: float, error: float | None = 0.01, n: int | None = 50_000) -> Measurement:
    curve = None if error is None else ConfidenceCurve(tuple(value + score * error for score in SCORES))
    return Measurement(name, value, registry[name].unit, n, curve)


def rows(**changed: Outcome) -> tuple[Reproduction, ...]:
    """All nine measured as published, but for the changed ones under `released`."""
    own: dict[str, Outcome] = {name: measured(name, MODEL.values[name]) for name in PUBLISHED_DIMENSIONS}
    return reproductions(MODEL, {"released": own | changed, "standard": own})


def row(name: str, outcome: Outcome) -> Reproduction:
    return next(one for one in rows(**{name: outcome}) if one.dimension == name)


@pytest.mark.parametrize(
    ("value", "error", "agrees"),
    [
        (0.8198, 0.001, True),
        (0.8198 - 1.95 * 0.01, 0.01, True),
        (0.8198 - 1.97 * 0.01, 0.01, False),
        (0.81976, None, True),  # 0.8198, rounded to four digits
        (0.8197, None, False),
    ],
)
def test_agreement_is_the_interval_and_the_rounding(value: float, error: float | None, agrees: bool) -> None:
    assert row("accuracy", measured("accuracy", value, error)).agrees is agrees


@pytest.mark.parametrize(("value", "agrees"), [(86.6, True), (86.567656, True), (86.7, False)])
def test_parameters_are_published_in_tenths_of_a_million(value: float, agrees: bool) -> None:
    assert MODEL.values["parameters"] == 86.6
    assert row("parameters", measured("parameters", value, None, None)).agrees is agrees


def test_without_a_value_nothing_agrees_or_differs() -> None:
    assert row("shape_bias", Unmeasurable("shape_bias", "no images")).agrees is None


def test_scores() -> None:
    changed = rows(accuracy=measured("accuracy", 0.9))
    assert scores(changed) == {
        "published": pytest.approx(quba_score(MODEL.values)),
        "released": pytest.approx(quba_score(MODEL.values | {"accuracy": 0.9})),
        "standard": pytest.approx(quba_score(MODEL.values)),
    }
    assert scores(rows(shape_bias=Unmeasurable("shape_bias", "no images")))["released"] is None


def test_notes(snapshot: SnapshotAssertion) -> None:
    few = rows(
        accuracy=measured("accuracy", 0.5, n=500),
        shape_bias=Unmeasurable("shape_bias", "shape_bias needs cue-conflict images"),
    )
    assert [list(reproduction_notes(one)) for one in (rows(), few)] == snapshot
