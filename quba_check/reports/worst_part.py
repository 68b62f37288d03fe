"""Which part of a dimension pulls its value down most."""

from __future__ import annotations

from dataclasses import dataclass

from quba_check.records.measurement import MeasurementRow, QuantityRow
from quba_check.records.record import Record


@dataclass(frozen=True, slots=True)
class NamedPart:
    """A part with its name."""

    name: str
    quantity: QuantityRow


def worst_part(record: Record, dimension: str) -> NamedPart | None:
    """The part that is furthest on the bad side of its dimension's value.

    Only parts of the same unit and direction as the value are compared with it.

    Returns:
        The part, or None where the dimension has no value, no such part, or none worse than its value.
    """
    row = record.measurements[dimension]
    if not isinstance(row, MeasurementRow) or row.better is None:
        return None
    sign = 1 if row.better == "high" else -1
    parts = [
        NamedPart(name, part)
        for name, part in row.parts.items()
        if part.better == row.better and part.unit == row.unit
    ]
    worst = min(parts, key=lambda part: sign * part.quantity.value, default=None)
    return worst if worst is not None and sign * worst.quantity.value < sign * row.value else None
