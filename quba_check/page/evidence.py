"""The numbers behind a verdict of a record."""

from __future__ import annotations

from dataclasses import dataclass

from quba_check.comparison.baseline import drop
from quba_check.comparison.stored_run import StoredRun
from quba_check.core.drop import Drop
from quba_check.records.measurement import MeasurementRow
from quba_check.records.record import Record
from quba_check.records.verdict import DROPS, GradeRow, VerdictRow
from quba_check.reports.table import worst_part


@dataclass(frozen=True, slots=True)
class Evidence:
    """The numbers behind a verdict.

    Attributes:
        value: the number or letter; None if there is none.
        unit: its unit.
        interval: its interval at the level of the demand.
        n: number of images.
        worst_part: name and value of a dimension's part that is worse than the dimension; else empty.
    """

    value: float | str | None = None
    unit: str = ""
    interval: tuple[float, float] | None = None
    n: int | None = None
    worst_part: str = ""


def evidence_of(run: StoredRun, row: VerdictRow, baseline: StoredRun | None) -> Evidence:
    """Return the numbers behind a verdict, as far as record and baseline have them."""
    if row.is_on_grade:
        return _of_grade(run, row)
    if row.bound in DROPS:
        return _of_drop(run, row, baseline)
    quantity = run.record.judged(row)
    if quantity is None:
        return Evidence()
    interval = quantity.interval_at(row.confidence)
    worst = worst_part(row.dimension, quantity)
    return Evidence(quantity.value, quantity.unit, interval, quantity.images or quantity.n, worst)


def _of_grade(run: StoredRun, row: VerdictRow) -> Evidence:
    grade = grade_of(run.record, row)
    if grade is None or grade.score is None or grade.letter is None:
        return Evidence()
    value = grade.letter if isinstance(row.limit, str) else grade.score
    return Evidence(value, "score", grade.interval)


def _of_drop(run: StoredRun, row: VerdictRow, baseline: StoredRun | None) -> Evidence:
    measured = run.record.measurements.get(row.dimension)
    if baseline is None or not isinstance(measured, MeasurementRow):
        return Evidence()
    quantity = run.record.quantity(row.dimension, row.part)
    if quantity is None or quantity.better is None:
        return Evidence()
    outcome = drop(
        baseline,
        row.dimension,
        row.part,
        run.value_of(row.dimension, row.part),
        unit=quantity.unit,
        better=quantity.better,
        relative=row.bound == "max_relative_drop",
    )
    if not isinstance(outcome, Drop):
        return Evidence()
    interval = None if outcome.curve is None else outcome.curve.interval(row.confidence)
    return Evidence(outcome.value, outcome.unit, interval, outcome.n)


def grade_of(record: Record, row: VerdictRow) -> GradeRow | None:
    """Return the grade behind a demand on it; None if the record has none."""
    file = row.id.partition("::")[0]
    return next((grade for grade in record.grades if grade.file in (file, row.file)), None)
