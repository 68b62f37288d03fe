"""Conversion of outcomes to rows of a record, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from quba_check.core.confidence import CONFIDENCE, ConfidenceCurve
from quba_check.core.dimension import Better, Dimension
from quba_check.core.facts import SuiteFacts
from quba_check.core.measurement import Measurement, Outcome, Quantity, Table, Unmeasurable
from quba_check.errors import DimensionError
from quba_check.records.measurement import (
    AnyMeasurementRow,
    MeasurementRow,
    NotMeasuredRow,
    QuantityRow,
    TableRow,
    UnmeasurableRow,
)

_SHARED = ("value", "unit", "n", "debiased", "debiased_limit", "images", "groups", "effective")
"""Attributes that a quantity and its row have in common."""


def row_of(outcome: Outcome, dimension: Dimension, suite: SuiteFacts) -> AnyMeasurementRow:
    """Return the row of an outcome.

    Raises:
        DimensionError: a value cannot be stored (NaN or infinite), for example from a custom dimension.
    """
    if isinstance(outcome, Unmeasurable):
        return UnmeasurableRow(unmeasurable=outcome.reason, missing_data=outcome.missing_data)
    better = {part.name: part.better for part in dimension.parts(suite)}
    try:
        return MeasurementRow(
            **_columns(outcome, dimension.better),
            parts={name: quantity_row(part, better.get(name)) for name, part in outcome.parts.items()},
            slices={name: quantity_row(one, dimension.better) for name, one in outcome.slices.items()},
            gaps={name: quantity_row(one, "low") for name, one in outcome.gaps.items()},
            unsliced={
                name: UnmeasurableRow(unmeasurable=one.reason, missing_data=one.missing_data)
                for name, one in outcome.unsliced.items()
            },
            notes=outcome.notes,
            masked=outcome.masked,
            outputs=outcome.outputs,
            tables={
                name: TableRow(columns=table.columns, rows=table.rows, note=table.note)
                for name, table in outcome.tables.items()
            },
        )
    except ValidationError as why:
        error = why.errors()[0]
        key = ".".join(str(step) for step in error["loc"])
        raise DimensionError(
            f"dimension '{dimension.name}': {key}: {error['msg']}. Correct its measure function."
        ) from why


def quantity_row(quantity: Quantity, better: Better | None) -> QuantityRow:
    """Return the row of a quantity.

    Raises:
        ValidationError: it cannot be stored.
    """
    return QuantityRow(**_columns(quantity, better))


def _columns(quantity: Measurement | Quantity, better: Better | None) -> dict[str, Any]:
    curve = quantity.curve
    return {
        **{name: getattr(quantity, name) for name in _SHARED},
        "interval": None if curve is None else curve.interval(CONFIDENCE),
        "limits": None if curve is None else curve.limits,
        "better": better,
    }


def outcome_of(dimension: str, row: AnyMeasurementRow) -> Outcome:
    """Return the outcome that a row stores; the inverse of `row_of`."""
    if isinstance(row, UnmeasurableRow):
        return Unmeasurable(dimension, row.unmeasurable, missing_data=row.missing_data)
    if isinstance(row, NotMeasuredRow):
        return Unmeasurable(dimension, "the run did not measure it")
    whole = _quantity_of(row)
    parts, slices, gaps = (
        {name: _quantity_of(one) for name, one in rows.items()} for rows in (row.parts, row.slices, row.gaps)
    )
    unsliced = {
        name: Unmeasurable(dimension, one.unmeasurable, one.missing_data)
        for name, one in row.unsliced.items()
    }
    tables = {name: Table(table.columns, table.rows, table.note) for name, table in row.tables.items()}
    measurement = Measurement.of(
        dimension, whole, parts=parts, notes=row.notes, masked=row.masked, tables=tables
    )
    return replace(measurement, slices=slices, gaps=gaps, unsliced=unsliced, outputs=row.outputs)


def _quantity_of(row: QuantityRow) -> Quantity:
    curve = None if row.limits is None else ConfidenceCurve(row.limits)
    return Quantity(**{name: getattr(row, name) for name in _SHARED}, curve=curve)


def measurements_of(measurements: Mapping[str, AnyMeasurementRow]) -> dict[str, Measurement]:
    """Return the measurements with a value, by dimension name."""
    outcomes = {name: outcome_of(name, row) for name, row in measurements.items()}
    return {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, Measurement)}
