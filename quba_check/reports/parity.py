"""The answers of a model and of the one that it replaces, in two lines."""

from __future__ import annotations

from quba_check.number_format import format_value
from quba_check.records.measurement import MeasurementRow
from quba_check.records.record import Record

PARITY = "parity"
SAME = "the same predictions as the reference"
"""Note of a measurement that `parity_lines` repeats with the reference's name."""
ASKED = "same model? "
MOST_PAIRS = 3
"""Largest number of changed answers in a line."""


def parity_lines(record: Record) -> tuple[str, ...]:
    """Return the equality of the clean answers and their largest changes; none without parity."""
    row = record.measurements.get(PARITY)
    if not isinstance(row, MeasurementRow) or row.n is None:
        return ()
    name = reference_name(record)
    for (accuracy,) in row.table_rows("reference", "accuracy"):
        name += f" (accuracy {format_value(float(accuracy), row.unit)})"
    if row.interval == (1.0, 1.0):  # exact: the same outputs in every bit
        return (f"{ASKED}the same predictions as {name}",)
    flips = row.table_rows("flips", "kind", "images")
    counts = [f"{images:,} {kind}" for kind, images in flips if isinstance(images, int)]
    same = f"{ASKED}{answers_text(row.value, row.n)} are those of {name}"
    same += f": {', '.join(counts)}" if counts else ""
    pairs = row.table_rows("changed_answers", "before", "after", "images")[:MOST_PAIRS]
    changed = ", ".join(f"{before} → {after} {images}" for before, after, images in pairs)
    changes = row.tables.get("probability_changes")
    texts = [f"most changed: {changed}" if pairs else "", "" if changes is None else changes.note]
    details = "; ".join(filter(None, texts))
    return (same, details) if details else (same,)


def reference_name(record: Record) -> str:
    """Return the name of the reference model or of the baseline's record."""
    if record.reference is not None:
        return record.reference.name
    return next((file.path for file in record.inputs if file.kind == "baseline"), "the reference")


def answers_text(agreement: float, n: int) -> str:
    """Return the number and share of equal answers; 100 % only if none differs.

    >>> answers_text(0.953, 2000), answers_text(0.9999, 10_000)
    ('1,906 of 2,000 answers (95.3 %)', '9,999 of 10,000 answers (99.9 %)')
    """
    equal = round(agreement * n)
    percent = 100.0 if equal == n else min(100 * agreement, 99.9)
    return f"{equal:,} of {n:,} answers ({percent:.1f} %)"
