import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.records.measurement import MeasurementRow, StoppedRow


@settings(deadline=None, derandomize=True)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_survives(value):
    written = MeasurementRow(value=value, unit="fraction").model_dump_json()
    assert MeasurementRow.model_validate_json(written).value == value


def test_the_text_of_an_early_decision():
    stopped = StoppedRow(images=1024, of=50_000, passes=False, alpha=0.025)
    assert str(stopped) == ("stopped early after 1,024 of 50,000 images: the full run would fail (α = 0.025)")


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
