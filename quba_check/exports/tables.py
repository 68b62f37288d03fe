"""Records as CSV and Parquet: a row per dimension, part and grade."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from quba_check.core.request import target_name
from quba_check.errors import UserError, extra_needed
from quba_check.records.measurement import MeasurementRow, NotMeasuredRow, QuantityRow
from quba_check.records.record import Record
from quba_check.records.verdict import DROPS, QUBA, VerdictRow
from quba_check.reports.cells import bound_text
from quba_check.reports.verdict_labels import most_severe
from quba_check.storage.csv_text import csv_text

COLUMNS = (
    *("model", "fingerprint", "protocol", "suite", "time", "commit", "dimension", "part", "value"),
    *("lower", "upper", "unit", "n", "demand", "bound", "outcome", "tier", "title", "name"),
)
"""Columns of every table.

`dimension` is `quba` for score and grade, which `part` names; the value of `grade` is the percentile. `lower`
and `upper` are the limits of the two-sided 95 % interval. Of several demands on a quantity the most severe
verdict is shown, the first of equals; `bound` is its number unless that is a letter. `name`, such as
`accuracy@set=night`, is the same text in CSV as elsewhere: the part `@set=night` gets an apostrophe in front.
A demand on a drop has a row of its own, with the drop as its value and a `name` such as `accuracy[max_drop]`.
"""
Row = dict[str, Any]
"""Values by column; None for an unknown one."""
PERCENTILE = "percentile"
"""Unit of the value of `quba.grade`."""
_NUMBERS = ("value", "lower", "upper", "bound")


def export_rows(records: Iterable[Record]) -> Iterator[Row]:
    """Yield the rows of each record: dimensions with parts and drops, then score and grade.

    A dimension or part without a value has a row only if it could not be measured.
    """
    for record in records:
        for name, row in record.measurements.items():
            demands = [verdict for verdict in record.verdicts if verdict.dimension == name]
            verdicts = [verdict for verdict in demands if verdict.key not in DROPS]
            if not isinstance(row, NotMeasuredRow):
                yield _row(record, name, None, record.quantity(name), verdicts)
            parts = row.parts if isinstance(row, MeasurementRow) else {}
            demanded = [verdict.part for verdict in demands if verdict.part is not None]
            for part in dict.fromkeys([*parts, *demanded]):
                judged = next((verdict.judged for verdict in verdicts if verdict.part == part), None)
                yield _row(record, name, part, judged or record.quantity(name, part), verdicts)
            for verdict in demands:
                if verdict.key in DROPS:
                    drop = _row(record, name, verdict.part, verdict.judged, [verdict])
                    yield drop | {"name": verdict.name}
        yield from _grade_rows(record)


def _grade_rows(record: Record) -> Iterator[Row]:
    """Yield score and percentile of each grade, once if several files agree."""
    for grade, names in record.files_by_grade().items():
        if grade.score is None:
            continue
        verdicts = [row for row in record.verdicts if row.is_on_grade and row.threshold_file in names]
        score = QuantityRow(value=grade.score, unit="score", interval=grade.interval)
        yield _row(record, QUBA, "score", score, verdicts)
        if grade.percentile is not None:
            percentile = QuantityRow(value=grade.percentile, unit=PERCENTILE)
            yield _row(record, QUBA, "grade", percentile, verdicts)


def _row(
    record: Record,
    dimension: str,
    part: str | None,
    quantity: QuantityRow | None,
    verdicts: Iterable[VerdictRow],
) -> Row:
    verdict = most_severe(verdict for verdict in verdicts if verdict.part == part)
    columns: Row = dict.fromkeys(COLUMNS)
    columns |= {"model": record.model.name, "fingerprint": record.model.fingerprint}
    columns |= {"protocol": record.protocol, "suite": record.suite.name}
    columns |= {"time": record.environment.time, "commit": record.environment.git}
    columns |= {"dimension": dimension, "part": part, "name": target_name(dimension, part)}
    if quantity is not None:
        columns |= {"value": quantity.value, "unit": quantity.unit, "n": quantity.n}
        columns["lower"], columns["upper"] = quantity.interval or (None, None)
    if verdict is not None:
        columns |= {"demand": bound_text(verdict), "outcome": verdict.outcome, "tier": verdict.tier}
        columns["title"] = verdict.title or None
        columns["bound"] = verdict.bound if isinstance(verdict.bound, float) else None
    return columns


def csv_table(records: Iterable[Record]) -> str:
    """Return the rows of records as CSV, without formulas; missing values are empty cells."""
    return csv_text(COLUMNS, (row.values() for row in export_rows(records)))


def parquet_table(records: Iterable[Record]) -> bytes:
    """Return the rows of records as a Parquet file; missing values are null.

    The types do not depend on the rows: float64 for values and bounds, int64 for n, a timestamp in UTC for
    the time, strings for the rest.

    Raises:
        UserError: pyarrow is not installed.
    """
    with extra_needed("--to parquet", "pyarrow", UserError, extra="parquet"):
        import pyarrow as pa
        import pyarrow.parquet as pq

    types: dict[str, Any] = dict.fromkeys(COLUMNS, pa.string())
    types |= dict.fromkeys(_NUMBERS, pa.float64())
    types |= {"n": pa.int64(), "time": pa.timestamp("ms", tz="UTC")}
    rows = [row | {"time": utc_time(row["time"])} for row in export_rows(records)]
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(types.items())), file)
    return file.getvalue()


def utc_time(text: str) -> datetime | None:
    """Return the time of a record; None if it has no offset from UTC.

    >>> utc_time("2026-01-01T12:00:00+00:00").isoformat(), utc_time("yesterday")
    ('2026-01-01T12:00:00+00:00', None)
    """
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if time.tzinfo is None else time
