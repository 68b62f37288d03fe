"""Intervals drawn against a bound, and changes drawn against none."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from quba_check.number_format import UNIT_SIGNS, format_value
from quba_check.page.drawing import Chart, Scale, Shape, hull, label, line, mark, polyline, rect, shape
from quba_check.records.comparison import ChangeRow

WIDTH = 300
HEIGHT = 44
MIDDLE = 20
LOW, HIGH = 8.0, WIDTH - 8.0


@dataclass(frozen=True, slots=True)
class Bounded:
    """A value with what it is compared with; all numbers are in one unit.

    Attributes:
        value: the value.
        bound: the threshold.
        is_minimum: True if the value must not be below the threshold, else not above it.
        unit: the unit.
        interval: interval of the value; None if unknown.
        baseline: value of the baseline; None without.
        median: median of the population; None without.
        series: number of the record, for its mark and colour.
    """

    value: float
    bound: float
    is_minimum: bool
    unit: str
    interval: tuple[float, float] | None = None
    baseline: float | None = None
    median: float | None = None
    series: int = 0

    @property
    def numbers(self) -> list[float]:
        """Every number to draw."""
        others = (self.baseline, self.median, *(self.interval or ()))
        return [self.value, self.bound, *(other for other in others if other is not None)]

    @property
    def is_drawable(self) -> bool:
        """True if all numbers are finite."""
        return all(map(math.isfinite, self.numbers))


def shared_range(rows: Iterable[Bounded]) -> tuple[float, float]:
    """Return the range of an axis that shows several values with their bounds."""
    rows = [row for row in rows if row.is_drawable]
    numbers = [number for row in rows for number in row.numbers]
    is_share = all(row.unit in ("fraction", "ratio") for row in rows) and max(numbers, default=2.0) <= 1
    return hull(numbers, margin=0.12, within=(0.0, 1.0) if is_share else None)


def interval_chart(data: Bounded, ends: tuple[float, float] | None = None) -> Chart | None:
    """Return a value with its interval, drawn against the bound; None for an infinite number.

    Args:
        data: the value.
        ends: range of the axis; None for that of the value alone.
    """
    if not data.is_drawable:
        return None
    scale = Scale(*(ends or shared_range([data])), LOW, HIGH)
    bound = scale(data.bound)
    allowed = (bound, HIGH - bound) if data.is_minimum else (LOW, bound - LOW)
    shapes = [
        rect(LOW, MIDDLE - 9, HIGH - LOW, 18, "track"),
        rect(allowed[0], MIDDLE - 9, allowed[1], 18, "allowed"),
        line(bound, MIDDLE - 13, bound, MIDDLE + 13, "bound"),
        _end_label(scale, data.bound, data.unit),
    ]
    if data.median is not None:
        x = scale(data.median)
        shapes.append(line(x, MIDDLE - 9, x, MIDDLE + 9, "median"))
    if data.interval is not None:
        low, high = data.interval
        shapes += _whiskers(scale(low), scale(high), MIDDLE, "interval")
    if data.baseline is not None:
        x = scale(data.baseline)
        corners = [(x - 4, MIDDLE - 14.0), (x + 4, MIDDLE - 14.0), (x, MIDDLE - 7.0), (x - 4, MIDDLE - 14.0)]
        shapes.append(polyline(corners, "baseline"))
    shapes.append(mark(data.series, scale(data.value), MIDDLE, 5))
    return Chart(WIDTH, HEIGHT, "Value against its bound", _words(data), tuple(shapes))


def _whiskers(low: float, high: float, y: float, class_: str) -> list[Shape]:
    ends = [line(x, y - 4, x, y + 4, class_) for x in (low, high)]
    return [line(low, y, high, y, class_), *ends]


def _end_label(scale: Scale, value: float, unit: str) -> Shape:
    """Return the label of the bound, below its line and inside the drawing."""
    text = f"{value:.4g}{UNIT_SIGNS.get(unit, '')}"
    half = 3.2 * len(text)
    x = min(max(scale(value), LOW + half), HIGH - half)
    return label(x, HEIGHT - 1, text, "small", anchor="middle")


def _words(data: Bounded) -> str:
    words = [f"value {format_value(data.value, data.unit)}"]
    if data.interval is not None:
        words.append("interval " + " to ".join(format_value(end, data.unit) for end in data.interval))
    words.append(f"bound: at {'least' if data.is_minimum else 'most'} {data.bound:.4g}")
    if data.baseline is not None:
        words.append(f"baseline {format_value(data.baseline, data.unit)}")
    if data.median is not None:
        words.append(f"median of the population {format_value(data.median, data.unit)}")
    return "; ".join(words)


def change_chart(row: ChangeRow) -> Chart:
    """Return the interval of a change, drawn against no change; improvements are to the right."""
    low, high = row.interval or (row.change, row.change)
    sign = -1 if row.better == "low" else 1
    ends = sorted((sign * low, sign * high))
    reach = max(abs(end) for end in (*ends, row.change)) or 1.0
    scale = Scale(-reach * 1.1, reach * 1.1, 4, 156)
    colour = {"better": "better", "worse": "worse"}.get(row.finding, "neutral")
    shapes = (
        line(scale(0), 1, scale(0), 19, "zero"),
        *_whiskers(scale(ends[0]), scale(ends[1]), 10, f"interval {colour}"),
        shape("circle", cx=scale(sign * row.change), cy=10, r=4, class_=f"dot {colour}"),
    )
    words = f"{row.finding}; improvements are to the right of the line"
    return Chart(160, 20, "Change with its interval", words, shapes)
