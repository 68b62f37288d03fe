import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from quba_check.records.measurement import AnyMeasurementRow, MeasurementRow, UnmeasurableRow


@settings(deadline=None, derandomize=True)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_survives(value):
    written = MeasurementRow(value=value, unit="fraction").model_dump_json()
    assert MeasurementRow.model_validate_json(written).value == value


@pytest.mark.parametrize(
    ("row", "masked"),
    [
        ({"notes": ["masked: no gradient", "a remark"]}, ("no gradient",)),
        ({"notes": ["masked: no gradient"], "masked": []}, ()),
        ({"notes": ["a remark"]}, ()),
        ({}, ()),
    ],
)
def test_older_records_report_masking_in_notes(row, masked):
    content = {"value": 0.5, "unit": "ratio"} | row
    assert MeasurementRow.model_validate(content).masked == masked
    assert MeasurementRow.model_validate_json(json.dumps(content)).masked == masked


def test_older_records_of_some_of_the_images_have_no_value():
    early = {"images": 1024, "of": 50_000, "passes": False, "alpha": 0.025}
    row = {"value": 0.5, "unit": "fraction", "parts": {}, "stopped": early}
    reason = "stopped early after 1,024 of 50,000 images: its value over all of them is unknown"
    rows = TypeAdapter(AnyMeasurementRow)
    assert rows.validate_json(json.dumps(row)) == UnmeasurableRow(unmeasurable=reason)
    assert rows.validate_json(json.dumps(row | {"stopped": None})).value == 0.5
