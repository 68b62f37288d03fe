"""From outcomes to a record's rows, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from quba_check.core.confidence import CONFIDENCE, ConfidenceCurve
from quba_check.core.dimension import Better, Dimension
from quba_check.core.facts import SuiteFacts
from quba_check.core.measurement import Measurement, Outcome, Quantity, Unmeasurable
from quba_check.errors import DimensionError
from quba_check.records.measurement import (
    AnyMeasurementRow,
    MeasurementRow,
    NotMeasuredRow,
    QuantityRow,
    StoppedRow,
    UnmeasurableRow,
)


def row_of(
    outcome: Outcome, dimension: Dimension, suite: SuiteFacts, stopped: StoppedRow | None = None
) -> AnyMeasurementRow:
    """What a record keeps of a measurement of a dimension on a suite, or on some of its images.

    Raises:
        DimensionError: a number is none that a record can keep, as a dimension of a user's own can have it.
    """
    try:
        return _row_of(outcome, dimension, suite, stopped)
    except ValidationError as why:
        error = why.errors()[0]
        place = ".".join(str(step) for step in error["loc"])
        raise DimensionError(
            f"dimension '{dimension.name}': {place}, {error['msg']}. Correct its measure function."
        ) from why


def _row_of(
    outcome: Outcome, dimension: Dimension, suite: SuiteFacts, stopped: StoppedRow | None
) -> AnyMeasurementRow:
    better = {part.name: part.better for part in dimension.parts(suite)}
    if isinstance(outcome, Unmeasurable):
        return UnmeasurableRow(unmeasurable=outcome.reason, missing_data=outcome.missing_data)
    return MeasurementRow(
        **_quantity(outcome, dimension.better),
        parts={
            name: QuantityRow(**_quantity(part, better.get(name))) for name, part in outcome.parts.items()
        },
        notes=outcome.notes,
        stopped=stopped,
        masked=outcome.masked,
    )


def _quantity(found: Measurement | Quantity, better: Better | None) -> dict[str, Any]:
    curve = found.curve
    return {
        "value": found.value,
        "unit": found.unit,
        "n": found.n,
        "interval": None if curve is None else curve.interval(CONFIDENCE),
        "limits": None if curve is None else curve.limits,
        "debiased": found.debiased,
        "debiased_limit": found.debiased_limit,
        "better": better,
    }


def outcome_of(dimension: str, row: AnyMeasurementRow) -> Outcome:
    """What a record's row was made of, as far as the record keeps it; the inverse of `row_of`."""
    if isinstance(row, UnmeasurableRow):
        return Unmeasurable(dimension, row.unmeasurable, missing_data=row.missing_data)
    if isinstance(row, NotMeasuredRow):
        return Unmeasurable(dimension, "the run did not measure it")
    if row.stopped is not None:
        return Unmeasurable(dimension, f"its value over all images is not known: {row.stopped}")
    whole = _measured(row)
    parts = {name: _measured(part) for name, part in row.parts.items()}
    return Measurement.of(dimension, whole, parts=parts, notes=row.notes, masked=row.masked)


def _measured(row: QuantityRow) -> Quantity:
    curve = None if row.limits is None else ConfidenceCurve(row.limits)
    return Quantity(row.value, row.unit, row.n, curve, row.debiased, row.debiased_limit)


def measurements_of(measurements: Mapping[str, AnyMeasurementRow]) -> dict[str, Measurement]:
    """The measurements of the dimensions that have a value over all images."""
    outcomes = {name: outcome_of(name, row) for name, row in measurements.items()}
    return {name: found for name, found in outcomes.items() if isinstance(found, Measurement)}
