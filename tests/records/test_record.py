"""The record: round trip through JSON, unknown keys, kinds of rows."""

import json

import pytest
from pydantic import ValidationError

from quba_check.cli.schema import SCHEMAS
from quba_check.records.measurement import MeasurementRow, NotMeasuredRow, UnmeasurableRow
from quba_check.records.record import Record
from quba_check.records.verdict import EXIT_CODES

CONTENT = {
    "schema": 1,
    "model": {
        "spec": "timm:resnet50",
        "name": "resnet50",
        "fingerprint": "abc",
        "parameters": 25557032,
        "preparation": {"input_size": [3, 224, 224]},
        "classes": 1000,
        "outputs": "logits",
    },
    "suite": {
        "name": "imagenet",
        "root": "/data",
        "fingerprint": "def",
        "sets": {"clean": {"images": 49000, "expected": 50000}, "sketch": {"images": 800, "expected": None}},
    },
    "protocol": "standard",
    "measurements": {
        "accuracy": {
            "value": 0.1 + 0.2,
            "unit": "fraction",
            "n": 49000,
            "interval": [0.29, 0.31],
            "parts": {"top5": {"value": 0.5, "unit": "fraction", "n": 49000, "interval": None}},
            "notes": ["a remark"],
        },
        "object_focus": {"unmeasurable": "no set 'mixed_same'"},
        "shape_bias": {"not_measured": True},
    },
    "verdicts": [
        {
            "id": "t.yaml::accuracy[min]",
            "dimension": "accuracy",
            "part": None,
            "bound": "min",
            "limit": 0.75,
            "tier": "block",
            "outcome": "fail",
            "file": "t.yaml",
            "line": 4,
            "message": "accuracy 0.300 is below 0.750 (short by 0.450)",
        },
        {
            "id": "t.yaml::quba.grade[min]",
            "dimension": "quba",
            "part": "grade",
            "bound": "min",
            "limit": "C",
            "tier": "warn",
            "outcome": "unmeasurable",
            "file": "t.yaml",
            "line": 9,
            "message": "quba.grade could not be measured: not graded: missing object_focus",
        },
    ],
    "grades": [
        {
            "file": "t.yaml",
            "score": None,
            "percentile": None,
            "letter": None,
            "population": "published",
            "protocol_of_population": "released",
            "complete": False,
            "missing": ["object_focus"],
            "cross_protocol": [],
            "notes": [],
        }
    ],
    "environment": {
        "versions": {"torch": "2.13.0"},
        "device": "cpu",
        "precision": "fp32",
        "seed": 0,
        "time": "2026-01-01T00:00:00Z",
        "git": None,
    },
    "interrupted": False,
    "notes": [],
}


def without(mapping, *names):
    return {name: value for name, value in mapping.items() if name not in names}


def subset(small, large):
    """True if one JSON document contains every key and value of another."""
    if isinstance(small, dict):
        return isinstance(large, dict) and all(k in large and subset(v, large[k]) for k, v in small.items())
    if isinstance(small, list):
        return len(small) == len(large) and all(subset(a, b) for a, b in zip(small, large, strict=True))
    return small == large


def test_json_holds_what_was_put_in():
    assert subset(CONTENT, json.loads(Record.model_validate(CONTENT).to_json()))


def test_round_trip():
    record = Record.model_validate(CONTENT)
    assert Record.model_validate_json(record.to_json()) == record
    assert record.to_json().endswith("}\n")


def test_kinds_of_measurements():
    measurements = Record.model_validate(CONTENT).measurements
    assert [type(row) for row in measurements.values()] == [MeasurementRow, UnmeasurableRow, NotMeasuredRow]


def test_keys_of_later_versions_are_ignored():
    later = {
        **CONTENT,
        "colour": "green",
        "model": {**CONTENT["model"], "price": 3},
        "measurements": {"accuracy": {**CONTENT["measurements"]["accuracy"], "median": 0.4}},
    }
    assert Record.model_validate(later).measurements["accuracy"].value == 0.1 + 0.2


def test_keys_that_may_be_absent():
    small = {
        **without(CONTENT, "schema", "verdicts", "grades", "interrupted", "notes"),
        "schema": 1,
        "measurements": {"accuracy": {"value": 0.5, "unit": "fraction"}},
    }
    record = Record.model_validate(small)
    assert (record.verdicts, record.grades, record.interrupted, record.notes) == ((), (), False, ())
    assert record.measurements["accuracy"].parts == {}


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
    assert list(json.loads(record.to_json()))[-8:] == [
        *("notes", "inputs", "command", "findings", "warnings", "reference", "baseline", "overall_verdict")
    ]


def test_older_records_have_no_origin():
    record = Record.model_validate(CONTENT)
    assert (record.inputs, record.command, record.findings, record.model.files) == ((), (), (), {})
    assert record.measurements["accuracy"].tables == {}


def test_the_schema_describes_tables_and_origin():
    schema = SCHEMAS["record"]()
    assert {"inputs", "command", "findings"} <= schema["properties"].keys()
    assert "files" in schema["$defs"]["ModelRow"]["properties"]
    assert "tables" in schema["$defs"]["MeasurementRow"]["properties"]
    kinds = schema["$defs"]["InputRow"]["properties"]["kind"]["enum"]
    assert kinds == ["threshold file", "extended threshold file", "manifest", "preprocessing", "baseline"]


def test_the_schema_describes_the_overall_verdict():
    schema = SCHEMAS["record"]()
    assert schema["properties"]["overall_verdict"]["enum"] == [
        "pass",
        "partial",
        "fail",
        "uncertain",
        "incomplete",
        "not judged",
        "interrupted",
    ]
    assert EXIT_CODES.keys() == set(schema["properties"]["overall_verdict"]["enum"])
