"""Values with their intervals, drawn on strips that are as wide as their place."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from quba_check.comparison.compare import ChangeRow
from quba_check.number_format import UNIT_SIGNS, format_value
from quba_check.page.drawing import Chart, Scale, Shape, hull, label, line, mark, polyline, shape

MIDDLE = 20.0
"""Height of the middle of a value's strip in pixels; places across are in percent of the width."""


@dataclass(frozen=True, slots=True)
class Point:
    """A value of one record in a row.

    Attributes:
        value: the value.
        interval: its interval; None if unknown.
        unit: unit of the value, for its text.
    """

    value: float
    interval: tuple[float, float] | None = None
    unit: str = "fraction"

    @property
    def text(self) -> str:
        """The value as text."""
        return format_value(self.value, self.unit)

    @property
    def ends(self) -> str:
        """The ends of the interval as text; empty if unknown."""
        return " to ".join(format_value(end, self.unit) for end in self.interval or ())

    @property
    def words(self) -> str:
        """The value with its interval as text."""
        return f"{self.text} ({self.ends})" if self.interval else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounded(Point):
    """A value with what it is compared with; all numbers are in one unit.

    Attributes:
        bound: the bound of the demand.
        is_minimum: True if the value must not be below the bound, else not above it.
        baseline: value of the baseline; None without.
        median: median of the population; None without.
        series: number of the record, for its mark and colour.
    """

    bound: float
    is_minimum: bool
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
    scale = Scale(*hull(numbers, margin=0.12, within=(0.0, 1.0) if is_share else None), 0, 1)
    return round_ends(scale)


def round_ends(scale: Scale) -> tuple[float, float]:
    """Return the range of a scale, moved outwards to the next tick.

    >>> round_ends(Scale(0.013, 1.02, 0, 1))
    (0.0, 1.25)
    """
    first, second, *others = scale.ticks()
    step = second - first
    last = [second, *others][-1]
    return round(first - step * (scale.low < first), 12), round(last + step * (scale.high > last), 12)


def interval_chart(data: Bounded, ends: tuple[float, float] | None = None) -> Chart | None:
    """Return a value with its interval, drawn against the bound; None for an infinite number.

    Args:
        data: the value.
        ends: range of the axis, which is printed at both sides; None for that of the value alone.
    """
    if not data.is_drawable:
        return None
    scale = Scale(*(ends or shared_range([data])), 16, 84)
    bound = scale(data.bound)
    allowed = (bound, scale.end) if data.is_minimum else (scale.start, bound)
    text = f"{data.bound:.4g}{UNIT_SIGNS.get(data.unit, '')}"
    shapes = [
        bar(scale.start, scale.end, MIDDLE, 18, "track"),
        bar(*allowed, MIDDLE, 18, "allowed"),
        label("14%", MIDDLE + 4, f"{scale.low:.4g}", "small", anchor="end"),
        label("86%", MIDDLE + 4, f"{scale.high:.4g}", "small"),
        at(bound, line(0, 7, 0, 33, "bound"), label(0, 43, text, "small", anchor="middle")),
    ]
    if data.median is not None:
        shapes.append(at(scale(data.median), line(0, 11, 0, 29, "median")))
    if data.interval is not None:
        shapes += _interval(scale, data.interval, MIDDLE, "interval")
    if data.baseline is not None:
        shapes.append(at(scale(data.baseline), polyline([(-4, 6), (4, 6), (0, 13), (-4, 6)], "baseline")))
    shapes.append(at(scale(data.value), mark(data.series, 0, MIDDLE, 5)))
    return Chart(0, 44, "Value against its bound", _words(data), tuple(shapes))


def at(place: float, *shapes: Shape) -> Shape:
    """Return shapes moved to a place across, in percent."""
    return Shape("svg", {"x": f"{place:.1f}%", "class": "at"}, children=shapes)


def bar(start: float, end: float, middle: float, height: float, class_: str) -> Shape:
    """Return a horizontal bar between two places across, in percent."""
    x = f"{start:.1f}%"
    width = f"{max(end - start, 0):.1f}%"
    return shape("rect", x=x, y=middle - height / 2, width=width, height=height, class_=class_)


def _interval(scale: Scale, ends: tuple[float, float], y: float, class_: str) -> list[Shape]:
    """Return an interval with whiskers at its ends."""
    low, high = map(scale, ends)
    body = shape("line", x1=f"{low:.1f}%", y1=y, x2=f"{high:.1f}%", y2=y, class_=class_)
    return [body, *(at(x, line(0, y - 4, 0, y + 4, class_)) for x in (low, high))]


def _words(data: Bounded) -> str:
    others = {"baseline": data.baseline, "median of the population": data.median}
    return "; ".join(
        [
            f"value {data.text}",
            *([f"interval {data.ends}"] if data.interval else []),
            f"bound: at {'least' if data.is_minimum else 'most'} {data.bound:.4g}",
            *(
                f"{name} {format_value(value, data.unit)}"
                for name, value in others.items()
                if value is not None
            ),
        ]
    )


def change_chart(row: ChangeRow) -> Chart:
    """Return the interval of a change, drawn against no change; improvements are to the right."""
    low, high = row.interval or (row.change, row.change)
    sign = -1 if row.better == "low" else 1
    reach = round_ends(Scale(0.0, max(map(abs, (low, high, row.change))) or 1.0, 0, 1))[1]
    scale = Scale(-reach, reach, 20, 80)
    colour = row.finding if row.finding in ("better", "worse") else "neutral"
    shapes = (
        bar(scale.start, scale.end, 10, 16, "track"),
        label("18%", 14, f"{-sign * reach:+.4g}", "small", anchor="end"),
        label("82%", 14, f"{sign * reach:+.4g}", "small"),
        at(50, line(0, 1, 0, 19, "zero")),
        *_interval(scale, (sign * low, sign * high), 10, f"interval {colour}"),
        at(scale(sign * row.change), shape("circle", cx=0.0, cy=10.0, r=4.0, class_=f"dot {colour}")),
    )
    words = f"{row.finding}; improvements are to the right of the line"
    return Chart(0, 20, "Change with its interval", words, shapes)


def round_scale(values: Iterable[float]) -> Scale:
    """Return a scale that covers 0, 1 and all values, with round ends."""
    return Scale(*round_ends(Scale(*hull([0.0, 1.0, *values], margin=0.0, within=(0.0, 1.0)), 0, 1)), 2, 98)


def axis(scale: Scale) -> Chart:
    """Return the ends of a column's scale, and round numbers near its middle."""
    inner = (value for value in (0.0, 0.5, 1.0) if 25 < scale(value) < 75)
    numbers = sorted({scale.low, *inner, scale.high})
    anchors = {0: "start", len(numbers) - 1: "end"}
    texts = [
        at(scale(value), label(0, 11, f"{value:g}", "small", anchor=anchors.get(k, "middle")))
        for k, value in enumerate(numbers)
    ]
    return Chart(0, 14, "Scale", f"{scale.low:g} to {scale.high:g}", tuple(texts))


def points_chart(name: str, points: Mapping[int, Point], scale: Scale, names: Sequence[str]) -> Chart:
    """Return the values of a row: a bar for one record, marks for several.

    Args:
        name: name of the row.
        points: finite values by number of the record.
        scale: the common scale of all rows.
        names: names of the records; of a single one, whatever its number.
    """
    height = 10 * len(names) + 12
    shapes = [bar(scale.start, scale.end, height / 2, height - 4, "track")]
    words = []
    for series, point in points.items():
        y = height / 2 + 10 * (series - (len(names) - 1) / 2) * (len(names) > 1)
        if len(names) == 1:
            ends = sorted((scale(0), scale(point.value)))
            shapes.append(bar(ends[0], ends[1], y, height - 4, f"fill s{series % 6}"))
        if point.interval is not None and all(map(math.isfinite, point.interval)):
            shapes += _interval(scale, point.interval, y, f"interval s{series % 6}")
        shapes.append(at(scale(point.value), mark(series, 0, y)))
        words.append(f"{names[series]}: {point.words}" if len(names) > 1 else point.words)
    return Chart(0, height, name, "; ".join(words), tuple(shapes))
