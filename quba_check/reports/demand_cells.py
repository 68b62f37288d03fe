"""One demand as texts: bound, value, interval, gap, and change from a baseline."""

from __future__ import annotations

from dataclasses import dataclass

from quba_check.number_format import format_distinct, format_gap, format_value, interval_text
from quba_check.records.comparison import Comparison
from quba_check.records.measurement import MeasurementRow
from quba_check.records.record import Record
from quba_check.records.verdict import DROPS, GradeRow, VerdictRow
from quba_check.reports.comparison import signed_value
from quba_check.reports.verdict_labels import bound_text

NONE = "-"


@dataclass(frozen=True, slots=True)
class DemandCells:
    """A demand as texts; `-` stands for an unknown one.

    Attributes:
        bound: sign and threshold, such as `>= 0.9`.
        value: the value that was compared with it.
        interval: its interval at the level of the demand's file.
        gap: distance from the bound, or the verdict in words; `-` if the bound is met.
        change: change against the baseline, with the conclusion.
        has_reason: the gap is a sentence.
    """

    bound: str
    value: str = NONE
    interval: str = NONE
    gap: str = NONE
    change: str = NONE
    has_reason: bool = False


def demand_cells(verdict: VerdictRow, record: Record, comparison: Comparison | None = None) -> DemandCells:
    """Return a demand of a record as texts.

    Args:
        verdict: the verdict on it.
        record: its record.
        comparison: the changes from a baseline to this record, if compared.
    """
    quantity = record.judged(verdict)
    bound = bound_text(verdict, quantity)
    change = _change(verdict, comparison)
    if verdict.outcome in ("unmeasurable", "skipped", "not run"):
        return DemandCells(bound, gap=_reason(verdict), change=change, has_reason=True)
    if verdict.is_on_grade:
        return _grade_cells(verdict, record, bound)
    if verdict.bound in DROPS or quantity is None:  # no record keeps the numbers of a drop
        gap = NONE if verdict.outcome == "pass" else _reason(verdict)
        return DemandCells(bound, gap=gap, change=change, has_reason=gap != NONE)
    ends = quantity.interval_at(verdict.confidence)
    interval = NONE if ends is None else interval_text(ends, quantity.unit, quantity.images or quantity.n)
    limit = float(verdict.limit)
    value, _ = format_distinct(quantity.value, limit, quantity.unit)
    if _is_masked(verdict, record):
        return DemandCells(bound, value, interval, _reason(verdict), change, has_reason=True)
    return DemandCells(bound, value, interval, _gap(verdict, quantity.value, quantity.unit), change)


def _is_masked(verdict: VerdictRow, record: Record) -> bool:
    """True if a demand failed for signs of masked gradients, whatever its value."""
    row = record.measurements.get(verdict.dimension)
    return (
        isinstance(row, MeasurementRow)
        and bool(row.masked)
        and verdict.outcome == "fail"
        and bool(verdict.explanation.reason)
    )


def _gap(verdict: VerdictRow, value: float, unit: str) -> str:
    """Return the distance to an unmet bound, on either side of it."""
    limit = float(verdict.limit)
    if verdict.outcome == "pass" or value == limit:
        return NONE if verdict.is_met else "not shown to be met"
    is_short = value < limit
    if is_short != (verdict.bound == "min"):
        is_needless = verdict.outcome == "fail" and verdict.waiver is not None
        return "remove its waiver" if is_needless else "not shown to be met"
    return f"{'short' if is_short else 'over'} by {format_gap(value, limit, unit)}"


def _grade_cells(verdict: VerdictRow, record: Record, bound: str) -> DemandCells:
    grade = record.grade_of(verdict)
    if grade is None or grade.score is None:
        return DemandCells(bound, gap=_reason(verdict), has_reason=bool(verdict.message))
    interval = NONE if grade.interval is None else interval_text(grade.interval, "score", None)
    if verdict.part == "score" and not isinstance(verdict.limit, str):
        value = format_distinct(grade.score, verdict.limit, "score")[0]
        return DemandCells(bound, value, interval, _gap(verdict, grade.score, "score"))
    gap = NONE if verdict.is_met else f"grade {grade.letter}, score {format_value(grade.score, 'score')}"
    return DemandCells(bound, grade.letter or NONE, letters_text(grade) or NONE, gap)


def letters_text(grade: GradeRow) -> str:
    """Return the letters that the interval of a grade spans, such as `A to C`."""
    return f"{grade.letters[0]} to {grade.letters[-1]}" if len(grade.letters) > 1 else ""


def _reason(verdict: VerdictRow) -> str:
    """Return the reason from the headline of a verdict's message."""
    has_value = verdict.outcome not in ("unmeasurable", "skipped", "not run")
    return (not has_value and verdict.explanation.reason) or verdict.explanation.headline or verdict.outcome


def _change(verdict: VerdictRow, comparison: Comparison | None) -> str:
    rows = () if comparison is None else comparison.changes
    row = next((row for row in rows if (row.dimension, row.part) == (verdict.dimension, verdict.part)), None)
    if row is None:
        return NONE
    if row.finding == "same":
        return row.finding
    finding = "" if row.finding == "unknown" else f" ({row.finding})"
    return f"{signed_value(row.change, row.unit)}{finding}"
