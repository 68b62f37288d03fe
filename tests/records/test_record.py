"""The record: round trip through JSON, unknown keys, kinds of rows."""

import json

import pytest
from pydantic import ValidationError
from support.rows import GRADE, verdict
from support.tuned import record as tuned

from quba_check.core.explanation import Explanation
from quba_check.records.measurement import MeasurementRow, NotMeasuredRow, UnmeasurableRow
from quba_check.records.record import Record

CONTENT = tuned(
    verdicts=[
        verdict(bound=0.75, explanation=Explanation("accuracy 0.300 is below 0.750 (short by 0.450)")),
        verdict(
            "quba.grade",
            "C",
            "unmeasurable",
            tier="warn",
            explanation=Explanation("quba.grade could not be measured: x", reason="x"),
        ),
    ],
    grades=[GRADE | {"score": None, "letter": None, "complete": False, "missing": ["object_focus"]}],
    notes=["a remark"],
).model_dump(mode="json", by_alias=True, exclude_computed_fields=True)
ROW = {"value": 0.1 + 0.2, "unit": "fraction", "n": 49000, "interval": [0.29, 0.31]}


def test_round_trip():
    record = Record.model_validate(CONTENT | {"measurements": {"accuracy": ROW}})
    text = record.to_json()
    assert text.endswith("}\n")
    assert Record.model_validate_json(text) == record
    assert json.loads(text)["measurements"]["accuracy"]["value"] == 0.1 + 0.2


def test_kinds_of_measurements():
    rows = {"accuracy": ROW, "object_focus": {"unmeasurable": "no set"}, "shape_bias": {"not_measured": True}}
    measurements = Record.model_validate(CONTENT | {"measurements": rows}).measurements
    assert [type(row) for row in measurements.values()] == [MeasurementRow, UnmeasurableRow, NotMeasuredRow]


def test_keys_of_later_versions_are_ignored():
    later = CONTENT | {
        "colour": "green",
        "model": {**CONTENT["model"], "price": 3},
        "measurements": {"accuracy": {**ROW, "median": 0.4}},
    }
    assert Record.model_validate(later).measurements["accuracy"].value == 0.1 + 0.2


def test_keys_that_older_records_do_not_have():
    keys = ("schema", "model", "suite", "protocol", "environment")
    small = {key: CONTENT[key] for key in keys} | {"measurements": {"accuracy": ROW}}
    record = Record.model_validate(small)
    assert (record.verdicts, record.grades, record.interrupted, record.notes) == ((), (), False, ())
    assert (record.inputs, record.command, record.findings, record.model.files) == ((), (), (), {})
    assert (record.measurements["accuracy"].parts, record.measurements["accuracy"].tables) == ({}, {})


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 2},
        {"protocol": "new"},
        {"measurements": {"accuracy": {}}},
        {"measurements": {"accuracy": {"not_measured": False}}},
        {"verdicts": [{**CONTENT["verdicts"][0], "outcome": "maybe"}]},
        {"model": {**CONTENT["model"], "files": {"r50.pt": "AB" * 32}}},
        {"inputs": [{"kind": "manifest", "path": "m.yaml", "sha256": "12\n"}]},
    ],
)
def test_other_records_are_refused(changes):
    with pytest.raises(ValidationError):
        Record.model_validate({**CONTENT, **changes})


def test_origin_of_a_record():
    record = Record.model_validate(
        {
            **CONTENT,
            "model": {**CONTENT["model"], "files": {"r50.pt": "ab" * 32}},
            "inputs": [
                {"kind": "threshold file", "path": "t.yaml", "sha256": "cd" * 32, "text": "schema: 1"}
            ],
            "command": ["pytest", "--model=r50.pt"],
            "findings": [{"severity": "remark", "title": "odd", "text": "fix: none"}],
        }
    )
    assert Record.model_validate_json(record.to_json()) == record
    assert list(json.loads(record.to_json()))[-9:] == [
        *("notes", "inputs", "command", "findings", "warnings", "reference", "baseline", "predictions"),
        "overall_verdict",
    ]


@pytest.mark.parametrize(
    ("row", "where"),
    [
        (verdict(bound="C"), "verdicts.0.bound"),
        (verdict("quba.grade", "Z"), "verdicts.0.bound"),
        (
            verdict(waiver={"until": "2026-01-01", "by": "a", "reason": "r", "bound": "C"}),
            "verdicts.0.waiver",
        ),
    ],
)
def test_only_demands_on_the_grade_have_letters(row: dict[str, object], where: str) -> None:
    with pytest.raises(
        ValidationError, match="must be a number, or a letter of a demand on the grade"
    ) as why:
        Record.model_validate(CONTENT | {"verdicts": [row]})
    assert ".".join(map(str, why.value.errors()[0]["loc"])) == where


def test_a_grade_has_as_many_limits_as_scores() -> None:
    with pytest.raises(ValidationError, match=r"grades.0.limits"):
        Record.model_validate(CONTENT | {"grades": [GRADE | {"limits": [0.1, 0.2]}]})
