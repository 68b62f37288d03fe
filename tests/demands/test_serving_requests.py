"""The section `serving`: two numbers of an accuracy, and the exact text for each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from quba_check.core.facts import SuiteFacts
from quba_check.core.requests import ServingRequest
from quba_check.core.serving import ServingPipeline
from quba_check.demands.reading import read_thresholds
from quba_check.errors import ThresholdError

SUITE = SuiteFacts("shop", 2, (), (), {"clean": None}, slices=(), serving={"app": ServingPipeline(jpeg=85)})


def demands(tmp_path: Path, section: str, suite: SuiteFacts = SUITE):
    path = tmp_path / "t.yaml"
    path.write_text(f"schema: 1\nserving:\n{section}\n")
    return read_thresholds(path, label="t.yaml", suite=suite).demands


def test_accuracy_and_its_drop_are_two_demands(tmp_path: Path) -> None:
    section = (
        "  app:\n    tier: warn\n    agreement: {min: 0.98, max_drop: 0.01}\n"
        "    accuracy:\n      min: 0.8\n      max_drop: 0.01\n      tier: block\n"
    )
    found = [(one.name, one.threshold, one.tier, one.line) for one in demands(tmp_path, section)]
    assert found == [
        ("serving.app.agreement[min]", 0.98, "warn", 5),
        ("serving.app.agreement[max_drop]", 0.01, "warn", 5),
        ("serving.app.accuracy[min]", 0.8, "block", 7),
        ("serving.app.accuracy_drop[max]", 0.01, "block", 8),
    ]
    drop = demands(tmp_path, section)[-1]
    assert drop.request == ServingRequest("app", "accuracy_drop")
    assert drop.location == ("serving", "app", "accuracy", "max_drop")
    assert not drop.needs_baseline
    alone = demands(tmp_path, "  app: {accuracy: {max_drop: 0.01}}")
    assert [one.name for one in alone] == ["serving.app.accuracy_drop[max]"]


def test_names_are_not_checked_without_a_suite(tmp_path: Path) -> None:
    unknown = SuiteFacts("", 0, (), (), {})
    (demand,) = demands(tmp_path, "  phone: {agreement: {min: 0.9}}", unknown)
    assert demand.name == "serving.phone.agreement[min]"


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            "ap: {agreement: {min: 0.9}}",
            "serving: the suite 'shop' has no pipeline 'ap'. Allowed: app. Did you mean 'app'?",
        ),
        (
            "app: {tier: warn}",
            "serving.app: nothing is demanded, got tier. Allowed: agreement, negative_flips, "
            "probability_change, accuracy, each with min, max or max_drop.",
        ),
        (
            "app: {accuracy: {max_relative_drop: 0.1}}",
            "serving.app.accuracy: unknown key 'max_relative_drop'. Did you mean 'max_drop'? "
            "Allowed: min, max_drop, waive, tier, optional.",
        ),
        ("app: {accuracy: {max_drop: 1}}", "serving.app.accuracy.max_drop: got 1. Allowed: less than 1."),
        ("app: {agreement: {max: 0.5}}", "serving.app.agreement max: higher is better here. Allowed: min."),
    ],
)
def test_mistakes(tmp_path: Path, section: str, message: str) -> None:
    with pytest.raises(ThresholdError) as caught:
        demands(tmp_path, f"  {section}")
    assert str(caught.value) == f"t.yaml:3: {message}"


def test_a_suite_without_pipelines(tmp_path: Path) -> None:
    with pytest.raises(ThresholdError) as caught:
        demands(tmp_path, "  app: {agreement: {min: 0.9}}", SuiteFacts("shop", 2, (), (), {}, slices=()))
    assert str(caught.value) == (
        "t.yaml:3: serving: the suite 'shop' has no pipeline 'app'. Declare it in its manifest."
    )
