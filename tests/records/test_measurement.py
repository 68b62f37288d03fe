"""Rows of measurements, and outcomes as rows and back."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.errors import error_text

from quba_check.core.confidence import SCORES, ConfidenceCurve
from quba_check.core.facts import SuiteFacts
from quba_check.core.measurement import Measurement, Quantity, Sample, SliceValues, Table, Unmeasurable
from quba_check.dimensions import registry
from quba_check.errors import DimensionError
from quba_check.records.measurement import (
    MeasurementRow,
    NotMeasuredRow,
    UnmeasurableRow,
    measurements_of,
    outcome_of,
    row_of,
)


@settings(deadline=None, derandomize=True)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_survives(value):
    written = MeasurementRow(value=value, unit="fraction").model_dump_json()
    assert MeasurementRow.model_validate_json(written).value == value


SUITE = SuiteFacts("imagenet", 1000, (), (), {})


def curve(middle, error):
    return ConfidenceCurve(tuple(middle + score * error for score in SCORES))


MEASURED = Measurement(
    "accuracy",
    0.5,
    "fraction",
    10,
    curve(0.5, 0.1),
    0.45,
    0.4,
    parts={"top5": Quantity(0.9, "fraction", 10, curve(0.9, 0.01))},
    notes=("a remark",),
    tables={"classes": Table(("class", "images"), (("<b>", 3),), "two")},
    outputs="ab12",
)


SAMPLE = Sample(images=5, groups=4, effective=3.5)


def accuracy_row(outcome):
    return row_of(outcome, registry["accuracy"], SUITE)


def test_row_of_a_measurement():
    row = accuracy_row(MEASURED)
    keys = "value unit n interval limits debiased debiased_limit images groups effective eligible"
    keys += " eligible_groups eligible_of better requested slices notes"
    rest = "parts masked tables unmeasured outputs masked_at levels score transferred"
    assert list(row.model_dump()) == [*keys.split(), *rest.split()]
    assert list(row.parts["top5"].model_dump()) == keys.split()
    assert row.interval == pytest.approx((0.304, 0.696), abs=1e-4)
    assert row.parts["top5"].interval == pytest.approx((0.8804, 0.9196), abs=1e-4)


def test_row_of_what_cannot_be_measured():
    missing = Unmeasurable("accuracy", "no images")
    assert accuracy_row(missing) == UnmeasurableRow(unmeasurable="no images")


@pytest.mark.parametrize(
    "outcome",
    [
        MEASURED,
        Measurement("accuracy", 0.5, "fraction", None),
        Unmeasurable("accuracy", "no images", missing_data=True),
        Unmeasurable("accuracy", "the model gives no gradients"),
        replace(MEASURED, masked=("FGSM helps the model",)),
        replace(MEASURED, masked_at={"4/255": ("ε = 4/255: FGSM helps the model",)}),
        replace(
            MEASURED,
            sample=SAMPLE,
            slices={
                "light": SliceValues(
                    {"light=day": Quantity(0.6, "fraction", 7, curve(0.6, 0.1), sample=SAMPLE)},
                    {"light=day": Quantity(0.1, "fraction", 7, curve(0.1, 0.1), sample=Sample(eligible=9))},
                    {"light=fog": Unmeasurable("accuracy", "few images", missing_data=True)},
                    {"light=day": 7, "light=fog": 2},
                ),
                "camera": SliceValues(reason=Unmeasurable("accuracy", "no such slices", missing_data=True)),
            },
            unmeasured={"@set=fog": Unmeasurable("accuracy", "no images", missing_data=True)},
            masked_at={"4/255": ("FGSM helps the model",)},
        ),
    ],
)
def test_an_outcome_read_again_is_the_same(outcome):
    row = accuracy_row(outcome)
    again = outcome_of("accuracy", type(row).model_validate_json(row.to_json()))
    assert again == outcome
    assert getattr(again, "outputs", None) == getattr(outcome, "outputs", None)


def test_parts_slices_and_gaps_have_a_direction():
    light = {"light": SliceValues(MEASURED.parts, MEASURED.parts)}
    parts = {"top5": replace(MEASURED.parts["top5"], slices=light), "other": Quantity(1.0, "images", None)}
    row = accuracy_row(replace(MEASURED, slices=light, parts=parts))
    rows = [*row.parts.values()]
    for one in (row, row.parts["top5"]):
        rows += [*one.slice_values.values(), *one.slice_gaps.values()]
    assert [one.better for one in rows] == ["high", None, "high", "low", "high", "low"]


def test_a_row_without_a_value_is_no_measurement():
    assert outcome_of("accuracy", NotMeasuredRow(not_measured=True)) == Unmeasurable(
        "accuracy", "this run did not measure it"
    )


def test_a_dimension_of_ones_own_with_numbers_that_no_record_keeps():
    outcome = Measurement("accuracy", 0.9, "fraction", 10, curve(0.5, 0.01))
    assert error_text(DimensionError, accuracy_row, outcome) == (
        "dimension 'accuracy': interval: must be limits around the value, 0.9, got 0.4804 to 0.5196. "
        "Correct its measure function."
    )
    with pytest.raises(DimensionError, match=r"^dimension 'accuracy': parts\.top5\.n: "):
        accuracy_row(replace(MEASURED, parts={"top5": Quantity(0.9, "fraction", -1)}))


def test_values_are_of_measured_dimensions():
    rows = {
        "accuracy": accuracy_row(MEASURED),
        "object_focus": UnmeasurableRow(unmeasurable="no set 'mixed_same'"),
        "shape_bias": NotMeasuredRow(not_measured=True),
    }
    assert {name: found.value for name, found in measurements_of(rows).items()} == {"accuracy": 0.5}


@pytest.mark.parametrize("cell", ["NaN", "true", "null"])
def test_cells_are_text_or_finite_numbers(cell):
    table = f'{{"columns": ["a"], "rows": [[{cell}]]}}'
    with pytest.raises(ValueError, match=r"tables\.t\.rows\.0\.0"):
        MeasurementRow.model_validate_json(f'{{"value": 1, "unit": "x", "tables": {{"t": {table}}}}}')
