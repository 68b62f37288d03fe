"""Demands, values and single classes as texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from quba_check.comparison.compare import Comparison
from quba_check.core.measurement import Cell, Quantity
from quba_check.core.request import NUMBERS
from quba_check.number_format import (
    UNIT_SIGNS,
    format_bound,
    format_distinct,
    format_gap,
    format_value,
    interval_text,
)
from quba_check.records.measurement import AnyMeasurementRow, MeasurementRow, QuantityRow
from quba_check.records.record import Record
from quba_check.records.verdict import SIGNS, BoundKey, GradeRow, VerdictRow

NONE = "-"
NOT_JUDGED = ("unmeasurable", "skipped", "not run")
"""Outcomes without a value."""
TITLE_WIDTH = 24
"""Columns at which titles are wrapped in tables of the terminal."""
_BREAKS = re.compile(r"(?<=,)|(?<=[^\s\\])(?=@)")
"""Places inside a name at which a line may end; `@` in the value of a slice is escaped."""
_WORDS = re.compile("(?<= )")
_OTHER_PARTS = {*UNIT_SIGNS, *NUMBERS}
"""Units and dimensions whose parts measure something else than the dimension."""


@dataclass(frozen=True, slots=True)
class DemandCells:
    """A demand as texts; `-` stands for an unknown one.

    Attributes:
        bound: sign and bound, such as `>= 0.9`.
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
    explanation = verdict.explanation
    value = explanation.value
    grade = record.grade_of(verdict)
    cells = DemandCells(bound_text(verdict, record.bounded(verdict)), change=_change(verdict, comparison))
    reasoned = replace(cells, gap=_reason(verdict), has_reason=True)
    if isinstance(value, str) and grade is not None and grade.score is not None:
        graded = replace(cells, value=value, interval=letters_text(grade) or NONE)
        score = format_value(grade.score, "score")
        return graded if verdict.is_met else replace(graded, gap=f"grade {value}, score {score}")
    if not isinstance(value, float):
        return reasoned
    unit = explanation.unit
    is_masked = verdict.outcome == "fail" and bool(explanation.reason)  # whatever its value
    return replace(
        cells,
        value=value_text(value, unit, verdict.bound),
        interval=interval_text(explanation.interval, unit, explanation.n) or NONE,
        gap=reasoned.gap if is_masked else _gap(verdict, value, unit),
        has_reason=is_masked,
    )


def _gap(verdict: VerdictRow, value: float, unit: str) -> str:
    """Return the distance to an unmet bound, on either side of it."""
    bound = float(verdict.bound)
    if verdict.outcome == "pass" or value == bound:
        return NONE if verdict.is_met else "not shown to be met"
    is_short = value < bound
    if is_short != (verdict.key == "min"):
        return "not shown to be met"
    return f"{'short' if is_short else 'over'} by {format_gap(value, bound, unit)}"


def letters_text(grade: GradeRow) -> str:
    """Return the letters that the interval of a grade spans, such as `A to C`."""
    return f"{grade.letters[0]} to {grade.letters[-1]}" if len(grade.letters) > 1 else ""


def _reason(verdict: VerdictRow) -> str:
    """Return the reason from the headline of a verdict's message."""
    reason = verdict.explanation.reason if verdict.outcome in NOT_JUDGED else ""
    return reason or verdict.explanation.headline or verdict.outcome


def _change(verdict: VerdictRow, comparison: Comparison | None) -> str:
    rows = () if comparison is None else comparison.changes
    row = next((row for row in rows if (row.dimension, row.part) == (verdict.dimension, verdict.part)), None)
    if row is None:
        return NONE
    if row.finding == "same":
        return row.finding
    finding = "" if row.finding == "unknown" else f" ({row.finding})"
    return f"{signed_value(row.change, row.unit)}{finding}"


def signed_value(value: float, unit: str) -> str:
    """Return a change as text, with its sign."""
    text = format_value(value, unit)
    return text if value < 0 or not any(digit in "123456789" for digit in text) else f"+{text}"


def bound_text(
    verdict: VerdictRow, quantity: QuantityRow | None = None, signs: Mapping[BoundKey, str] = SIGNS
) -> str:
    """Return the demand behind a verdict, such as `>= 0.93`.

    Args:
        verdict: the verdict.
        quantity: the bounded number, if known, for the unit and the word for a loss.
        signs: the sign of each bound.
    """
    sign = signs[verdict.key]
    if quantity is not None and quantity.better == "low":
        sign = sign.replace("drop", "worsening")
    if verdict.key == "max_relative_drop" and isinstance(verdict.bound, float):
        return f"{sign} {100 * verdict.bound:.12g}%"
    return f"{sign} {format_bound(verdict.bound, '' if quantity is None else quantity.unit)}"


def value_text(value: float, unit: str, bound: float | str | None = None) -> str:
    """Return a value as text that differs from that of a bound."""
    return format_distinct(value, bound, unit)[0] if isinstance(bound, float) else format_value(value, unit)


def interval_cell(row: Quantity | QuantityRow, between: str = "..") -> str:
    """Return the 95 % interval of a value as text; empty if unknown."""
    return interval_text(row.interval, row.unit, row.different_images, between=between)


def worst_part(dimension: str, row: AnyMeasurementRow | QuantityRow) -> str:
    """Return name and value of the worst part; empty if none is worse.

    Only parts with the unit and direction of the dimension count, and only values worse than the dimension's.
    Parts of sizes and counts are other sizes and counts, not worse ones, and those of requests other metrics.
    """
    if not isinstance(row, MeasurementRow) or row.better is None or {row.unit, dimension} & _OTHER_PARTS:
        return ""
    sign = 1 if row.better == "high" else -1
    parts = (
        (name, part)
        for name, part in row.parts.items()
        if not part.requested and (part.better, part.unit) == (row.better, row.unit)
    )
    name, part = min(parts, key=lambda item: sign * item[1].value, default=("", row))
    return f"{name} {format_value(part.value, part.unit)}" if sign * part.value < sign * row.value else ""


def name_cell(name: str, title: str, indent: str = "") -> str:
    """Return the name of a demand, below its title, for the cell of a table.

    >>> print(name_cell("accuracy[min]", "Answers of the night shift are right"))
    Answers of the night
    shift are right
      accuracy[min]
    """
    if not title:
        return f"{indent}{name}"
    lines = Text(title).wrap(Console(), TITLE_WIDTH - len(indent), overflow="fold")
    return "\n".join([*(f"{indent}{line.plain.rstrip()}" for line in lines), f"{indent}  {name}"])


def wrap_name_cell(cell: str, width: int) -> str:
    """Wrap a title between words, a name after commas or before `@`.

    >>> print(wrap_name_cell("  tb.recall@probability=0.3,set=fog", 22))
      tb.recall
        @probability=0.3,
        set=fog
    """
    *titles, name = cell.splitlines()
    lines: list[str] = []
    for line, breaks in [*((title, _WORDS) for title in titles), (name, _BREAKS)]:
        text = line.lstrip()
        indent = line.removesuffix(text)
        lines.append(indent)
        for piece in breaks.split(text):
            if lines[-1] != indent and cell_len(f"{lines[-1]}{piece}".rstrip()) > width:
                lines.append(f"{indent}  ")
            lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


CLASS_HEADINGS = ("class", "images", "recall", "interval", "precision", "F1")
MOST_CLASSES = 30
"""Largest number of classes in the table; of more, those with the lowest recall are shown."""
_NEEDED = ("class", "images", "recall", "recall_lower", "recall_upper", "precision", "f1")


def class_table(record: Record) -> tuple[str, list[tuple[str, ...]]]:
    """Return a title and the rows below `CLASS_HEADINGS`; none without the table."""
    row = record.measured.get("classes")
    rows = [] if row is None else row.table_rows("classes", *_NEEDED)
    title = "recall, with its 95 % interval, and precision of each class" if rows else ""
    if len(rows) > MOST_CLASSES:
        title = f"the {MOST_CLASSES} of {len(rows):,} classes with the lowest recall; the record has all"
        rows = sorted(rows, key=lambda row: float(row[2]) if row[2] != "" else 2.0)[:MOST_CLASSES]
    return title, list(map(_class_texts, rows))


def _class_texts(cells: tuple[Cell, ...]) -> tuple[str, ...]:
    """Return the cells of a class below `CLASS_HEADINGS`."""
    name, images, recall, lower, upper, precision, f1 = cells
    is_known = isinstance(lower, float | int) and isinstance(upper, float | int)
    interval = interval_text((float(lower), float(upper)), "fraction", None) if is_known else NONE
    return (str(name), f"{images:,}", _number(recall), interval, _number(precision), _number(f1))


def _number(cell: Cell) -> str:
    return NONE if isinstance(cell, str) else format_value(cell, "fraction")
