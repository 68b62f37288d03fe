"""Recall, precision and F1 of each class, for the terminal and for Markdown."""

from __future__ import annotations

from quba_check.number_format import format_value, interval_text
from quba_check.records.measurement import Cell, MeasurementRow
from quba_check.records.record import Record

HEADINGS = ("class", "images", "recall", "interval", "precision", "F1")
MOST_CLASSES = 30
"""Largest number of classes in the table; of more, those with the lowest recall are shown."""
_NEEDED = ("class", "images", "recall", "recall_low", "recall_high", "precision", "f1")


def class_table(record: Record) -> tuple[str, list[tuple[str, ...]]]:
    """Return a title and the rows below `HEADINGS`; none without the table."""
    row = record.measurements.get("classes")
    rows = row.table_rows("classes", *_NEEDED) if isinstance(row, MeasurementRow) else []
    title = "recall, with its 95 % interval, and precision of each class" if rows else ""
    if len(rows) > MOST_CLASSES:
        title = f"the {MOST_CLASSES} of {len(rows):,} classes with the lowest recall; the record has all"
        rows = sorted(rows, key=lambda row: float(row[2]) if row[2] != "" else 2.0)[:MOST_CLASSES]
    return title, [_texts(*row) for row in rows]


def _texts(
    name: Cell, images: Cell, recall: Cell, low: Cell, high: Cell, precision: Cell, f1: Cell
) -> tuple[str, ...]:
    is_known = isinstance(low, float | int) and isinstance(high, float | int)
    interval = interval_text((float(low), float(high)), "fraction", None) if is_known else "-"
    return (str(name), f"{images:,}", _number(recall), interval, _number(precision), _number(f1))


def _number(cell: Cell) -> str:
    return "-" if isinstance(cell, str) else format_value(cell, "fraction")
