"""Waivers of threshold files: what they apply to, and what is refused."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from quba_check.core.facts import SuiteFacts
from quba_check.core.serving import ServingPipeline
from quba_check.demands import bounds, read_thresholds
from quba_check.demands.demand import Thresholds
from quba_check.errors import ThresholdError
from quba_check.records.verdict import Waiver

CLASSES = ("cat", "dog", "fox", "cow", "hen", "bee")
SUITE = SuiteFacts(
    "toys",
    6,
    ("night",),
    ("fog",),
    {"clean": None},
    class_names=CLASSES,
    slices=("w",),
    serving={"app": ServingPipeline(jpeg=85)},
)
WAIVE = "until: 2026-06-30, by: ann, reason: new data"
WAIVER = Waiver(until=date(2026, 6, 30), by="ann", reason="new data", limit=0.47)


@pytest.fixture(autouse=True)
def _today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "today", lambda: date(2026, 6, 30))


@pytest.fixture(name="read")
def _read(tmp_path: Path):
    def read(text: str) -> Thresholds:
        (tmp_path / "gate.yaml").write_text(f"schema: 1\n{text}\n")
        return read_thresholds(tmp_path / "gate.yaml", label="gate.yaml", suite=SUITE)

    return read


def test_a_waiver_applies_to_one_bound_until_its_last_day(read):
    accuracy, drop = read(
        f"dimensions: {{accuracy: {{min: 0.5, max_drop: 0.01, waive: {{{WAIVE}, at_least: 47%}}}}}}"
    ).demands
    assert (accuracy.name, accuracy.waiver) == ("accuracy[min]", WAIVER)
    assert (drop.name, drop.waiver) == ("accuracy[max_drop]", None)
    assert str(WAIVER) == "waived until 2026-06-30 by ann: new data"


@pytest.mark.parametrize(
    ("text", "waived"),
    [
        (
            f"dimensions: {{calibration_error: {{max: 0.1, waive: {{{WAIVE}, at_most: 0.2}}}}}}",
            "calibration_error[max]",
        ),
        (
            f"dimensions: {{accuracy: {{max_drop: 0.1, waive: {{{WAIVE}, at_most: 0.2}}}}}}",
            "accuracy[max_drop]",
        ),
        (
            f"dimensions: {{accuracy: {{min: 0.5, parts: {{top5: {{min: 0.6, waive: {{{WAIVE}, at_least: "
            f"0.1}}}}}}}}}}",
            "accuracy.top5[min]",
        ),
        (
            f"dimensions: {{accuracy: {{min: 0.5, slices: {{w: {{worst: {{min: 0.4, waive: {{{WAIVE}, "
            f"at_least: 0.1}}}}}}}}}}}}",
            "accuracy.slices.w.worst[min]",
        ),
        (
            f"classes: {{cat: {{recall: {{min: 0.9, waive: {{{WAIVE}, at_least: 0.1}}}}}}}}",
            "classes.cat.recall[min]",
        ),
        (f"answers: {{aurc: {{max: 0.1, waive: {{{WAIVE}, at_most: 0.2}}}}}}", "answers.aurc[max]"),
        (
            f"serving: {{app: {{accuracy: {{min: 0.8, max_drop: 0.01, waive: {{{WAIVE}, at_most: 0.1}}}}}}}}",
            "serving.app.accuracy_drop[max]",
        ),
        (f"quba: {{min_score: 0.5, min_grade: B, waive: {{{WAIVE}, at_least: 0.1}}}}", "quba.score[min]"),
        (f"quba: {{min_score: 0.5, min_grade: B, waive: {{{WAIVE}, at_least: D}}}}", "quba.grade[min]"),
    ],
)
def test_every_kind_of_demand_can_be_waived(read, text, waived):
    assert [demand.name for demand in read(text).demands if demand.waiver] == [waived]


def test_an_extending_file_waives_and_removes(read, tmp_path):
    read(
        f"dimensions: {{accuracy: {{min: 0.5}}, class_balance: {{min: 0.5, waive: {{{WAIVE}, at_least: "
        f"0.1}}}}}}"
    )
    (tmp_path / "child.yaml").write_text(
        "schema: 1\nextends: gate.yaml\n"
        f"dimensions: {{accuracy: {{waive: {{{WAIVE}, at_least: 0.47}}}}, class_balance: {{waive: null}}}}\n"
    )
    child = read_thresholds(tmp_path / "child.yaml", label="child.yaml", suite=SUITE)
    assert {demand.name: demand.waiver for demand in child.demands} == {
        "accuracy[min]": WAIVER,
        "class_balance[min]": None,
    }


def test_the_digest_of_the_demands_has_the_waiver(read):
    def digest(waive: str) -> str | None:
        return read(f"dimensions: {{accuracy: {{min: 0.5{waive}}}}}").inputs[0].demands

    digests = {
        digest(""),
        digest(f", waive: {{{WAIVE}, at_least: 0.47}}"),
        digest(f", waive: {{{WAIVE}, at_least: 0.4}}"),
    }
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            "{min: 0.5, waive: {by: ann, reason: r, at_least: 0.4}}",
            "accuracy.waive: the key 'until' is missing.",
        ),
        (
            "{min: 0.5, waive: {until: 31.1.2027, by: ann, reason: r, at_least: 0.4}}",
            "accuracy.waive.until: got text '31.1.2027'. Allowed: a day, such as 2027-01-31.",
        ),
        (
            "{min: 0.5, waive: {until: 2027-01-31, by: '', reason: r}}",
            "accuracy.waive.by: got text ''. Allowed: text that is not empty.",
        ),
        (
            "{min: 0.5, waive: {until: 2026-06-29, by: ann, reason: r, at_least: 0.4}}",
            "accuracy.waive.until: the waiver has expired, got 2026-06-29. Allowed: 2026-06-30 to "
            "2027-07-01. Meet the demand, or decide again.",
        ),
        (
            f"{{min: 0.5, waive: {{{WAIVE}}}}}",
            "accuracy.waive: got no worst value. Allowed: at_least or at_most.",
        ),
        (
            f"{{min: 0.5, waive: {{{WAIVE}, at_least: 0.4, at_most: 0.1}}}}",
            "accuracy.waive: got at_least, at_most. Allowed: at_least or at_most.",
        ),
        (
            f"{{max_drop: 0.1, waive: {{{WAIVE}, at_least: 0.4}}}}",
            "accuracy.waive: at_least 0.4 applies to no demand. Allowed: next to one bound of min, "
            "min_score, "
            "min_grade.",
        ),
        (
            f"{{waive: {{{WAIVE}, at_least: 0.4}}}}",
            "accuracy.waive: at_least 0.4 applies to no demand. Allowed: next to one bound of min, "
            "min_score, "
            "min_grade.",
        ),
        (
            f"{{max_drop: 0.1, max_relative_drop: 0.2, waive: {{{WAIVE}, at_most: 0.4}}}}",
            "accuracy.waive: at_most 0.4 applies to max_drop, max_relative_drop. Allowed: next to one "
            "bound of max, max_drop, max_relative_drop; with several, state the others in another "
            "threshold file.",
        ),
        (
            "{min: 0.5, waive: {until: 2027-07-02, by: ann, reason: r, at_least: 0.4}}",
            "accuracy.waive.until: the waiver ends in more than a year, got 2027-07-02. Allowed: 2026-06-30 "
            "to 2027-07-01. Meet the demand, or decide again.",
        ),
        (
            f"{{min: 0.5, waive: {{{WAIVE}, at_least: 0.5}}}}",
            "accuracy.waive: at_least 0.5 allows nothing that the bound 0.5 does not allow. Allowed: a "
            "worse value.",
        ),
        (
            f"{{min: 0.5, tier: warn, waive: {{{WAIVE}, at_least: 0.4}}}}",
            "accuracy.waive: the tier of the demand does not block. Allowed: a demand that blocks.",
        ),
        (
            f"{{min: 0.5, slices: {{w: {{worst: {{min: 0.4}}, waive: {{{WAIVE}, at_least: 0.1}}}}}}}}",
            "accuracy.slices.w.waive: at_least 0.1 applies to no demand. Allowed: next to one bound of min, "
            "min_score, min_grade.",
        ),
    ],
)
def test_what_is_refused(read, entry, message):
    with pytest.raises(ThresholdError) as caught:
        read(f"dimensions:\n  accuracy: {entry}")
    assert str(caught.value) == f"gate.yaml:3: dimensions.{message}"
