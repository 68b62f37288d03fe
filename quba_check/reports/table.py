"""The table of a record: a row a dimension."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.box import Box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from quba_check.number_format import format_distinct, format_value, interval_text
from quba_check.records.measurement import (
    AnyMeasurementRow,
    MeasurementRow,
    QuantityRow,
    UnmeasurableRow,
)
from quba_check.records.record import Record
from quba_check.records.verdict import SIGNS, VerdictRow
from quba_check.reports.verdict_labels import STYLES, UNMET, label, limit_text, most_severe

NOISE = "~"
"""Stands after a verdict that another draw of as many images could turn."""
DEMAND, WORST_PART = "demand", "worst part"
HEADINGS = ("dimension", "value", "interval", DEMAND, "verdict", WORST_PART)
Cell = AnyMeasurementRow | QuantityRow | None
"""What a row of the table tells of: a dimension, a part, or a part that is not there."""


def dimension_table(record: Record, *, rule: str, width: int) -> Table:
    """Value, demand, verdict and worst part by dimension; a row for each part that missed its demand.

    Of several demands on a dimension the one with the gravest verdict is shown, the first of equals. The
    interval has a column where any dimension has one.

    Args:
        record: what to tell.
        rule: the character of the rule below the head.
        width: columns to fill at most. Demands and worst parts are wrapped between words; without room the
            worst parts are left out, and a table that is still too wide sticks out.
    """
    intervals = any(isinstance(row, MeasurementRow) and row.interval for row in record.measurements.values())
    gap = 0 if intervals else 1
    table = Table(box=_headed(rule), padding=(0, gap, 0, 0), pad_edge=False, show_edge=False)
    rows = [[Text(heading) for heading in HEADINGS], *_rows(record)]
    columns = dict(zip(HEADINGS, zip(*rows, strict=True), strict=True))
    if not intervals:
        del columns["interval"]
    widths = _column_widths(columns, width + gap + 1, gap + 1)
    table.width = sum(widths.values()) + (gap + 1) * (len(widths) - 1)
    for heading, column in widths.items():
        right = heading == "value"
        table.add_column(heading, justify="right" if right else "left", width=column)
    for cells in list(zip(*(columns[heading] for heading in widths), strict=True))[1:]:
        table.add_row(*cells)
    return table


def _column_widths(columns: Mapping[str, Sequence[Text]], room: int, gap: int) -> dict[str, int]:
    """Return the widths of the shown columns; `room` includes a gap after each."""
    widths = {heading: _longest(cell.plain for cell in cells) for heading, cells in columns.items()}
    excess = sum(widths.values()) + gap * len(widths) - room
    for heading in (WORST_PART, DEMAND):
        words = (word for cell in columns[heading] for word in cell.plain.split())
        cut = min(max(excess, 0), widths[heading] - max(len(heading), _longest(words)))
        widths[heading] -= cut
        excess -= cut
    if excess > 0:
        freed = widths.pop(WORST_PART) + gap - excess
        widths[DEMAND] = min(widths[DEMAND] + max(freed, 0), _longest(cell.plain for cell in columns[DEMAND]))
    return widths


def _longest(texts: Iterable[str]) -> int:
    return max(map(cell_len, texts), default=0)


def _headed(rule: str) -> Box:
    """A box that is a rule below the head and nothing else."""
    nothing = "    \n"
    return Box(f"{nothing}{nothing}{rule * 4}\n" + nothing * 5, ascii=rule.isascii())


def _rows(record: Record) -> Iterator[list[Text]]:
    """Cells of each row: name, value, interval, demand, verdict, worst part."""
    for name, row in record.measurements.items():
        verdicts = [verdict for verdict in record.verdicts if verdict.dimension == name]
        shown = most_severe([verdict for verdict in verdicts if verdict.part is None])
        worst = worst_part(record, name)
        telling = f"{worst.name} {format_value(worst.quantity.value, worst.quantity.unit)}" if worst else ""
        yield [Text(name), *_judged(row, shown, verdicts), Text(telling)]
        for verdict in verdicts:
            if verdict.part is not None and label(verdict) in UNMET:
                yield [Text(f"  {verdict.part}"), *_judged(_part(row, verdict.part), verdict, []), Text()]


def _part(row: AnyMeasurementRow, name: str) -> Cell:
    return row.parts.get(name) if isinstance(row, MeasurementRow) else row


def _judged(row: Cell, shown: VerdictRow | None, others: Sequence[VerdictRow]) -> list[Text]:
    """Cells for value, interval, demand and verdict; without a demand of its own, its parts' count."""
    decisive = shown or most_severe(others)
    if shown is not None and shown.bound == "max_relative_drop" and isinstance(shown.limit, float):
        demand = f"{SIGNS['max_drop']} {100 * shown.limit:.12g}%"  # takes less room than 'relative'
    elif shown is not None:
        demand = f"{SIGNS[shown.bound]} {limit_text(shown.limit, millions=_is_millions(row))}"
    else:
        demand = f"{len(others)} on parts" if others else "-"
    called = label(decisive) if decisive else "-"
    verdict = Text(called, style=STYLES[called]) if called != "-" else Text(called, style="dim")
    if decisive is not None and decisive.within_noise and decisive.policy == "point":
        verdict.append(f" {NOISE}", style="yellow")
    return [_value(row, shown), _interval(row), Text(demand), verdict]


def _value(row: Cell, verdict: VerdictRow | None) -> Text:
    if isinstance(row, QuantityRow):
        if verdict is not None and isinstance(verdict.limit, float):
            return Text(format_distinct(row.value, verdict.limit, row.unit)[0])
        return Text(format_value(row.value, row.unit))
    return Text("unmeasurable" if isinstance(row, UnmeasurableRow | None) else "not measured", style="dim")


def _interval(row: Cell) -> Text:
    if not isinstance(row, QuantityRow) or row.interval is None:
        return Text()
    return Text(interval_text(row.interval, row.unit, row.n))


def _is_millions(row: Cell) -> bool:
    return isinstance(row, QuantityRow) and row.unit == "millions"


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
