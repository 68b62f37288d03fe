"""Which part of a dimension pulls its value down most."""

from __future__ import annotations

from dataclasses import dataclass

from quba_check.dimensions import registry
from quba_check.protocol.facts import SuiteFacts
from quba_check.protocol.record import MeasurementRow, QuantityRow, Record
from quba_check.protocol.view import (
    CLEAN_SET,
    CORRUPTIONS,
    CORRUPTIONS_SET,
    CUE_CONFLICT_SET,
    MIXED_RAND_SET,
    MIXED_SAME_SET,
)

_OTHER_SETS = (CLEAN_SET, CORRUPTIONS_SET, CUE_CONFLICT_SET, MIXED_RAND_SET, MIXED_SAME_SET)


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
    if not isinstance(row, MeasurementRow) or dimension not in registry:
        return None
    declared = registry[dimension]
    alike = {
        part.name
        for part in declared.parts(_facts(record))
        if part.better == declared.better and part.unit == declared.unit
    }
    sign = 1 if declared.better == "high" else -1
    parts = [NamedPart(name, part) for name, part in row.parts.items() if name in alike]
    worst = min(parts, key=lambda part: sign * part.quantity.value, default=None)
    return worst if worst is not None and sign * worst.quantity.value < sign * row.value else None


def _facts(record: Record) -> SuiteFacts:
    """What the declared parts depend on, as far as a record tells."""
    shifts = tuple(name for name in record.suite.sets if name not in _OTHER_SETS)
    return SuiteFacts(record.suite.name, record.model.classes, shifts, CORRUPTIONS, dict.fromkeys(shifts))
