"""Charts of several records: dots with intervals, curves and bars."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from quba_check.number_format import format_value
from quba_check.page.columns import shorten
from quba_check.page.drawing import (
    Chart,
    Scale,
    Shape,
    group,
    hull,
    label,
    line,
    mark,
    number,
    polyline,
    shape,
    ticks,
    vertical_lines,
)

WIDTH = 380
"""Width of charts; a phone of 360 pixels shows them at nine tenths of their size."""
NAMES = 128.0
"""Room for the names of rows."""
ROW = 24
AXIS = 22


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
    def words(self) -> str:
        """The value with its interval as text."""
        if self.interval is None:
            return self.text
        return f"{self.text} ({' to '.join(format_value(end, self.unit) for end in self.interval)})"


def dot_plot(title: str, rows: Mapping[str, Mapping[int, Point]], *, names: Sequence[str]) -> Chart:
    """Return a chart with a row for each name and a mark for each record.

    Args:
        title: name of the chart.
        rows: values by name of the row and number of the record.
        names: names of the records.
    """
    points = {
        name: {series: point for series, point in row.items() if math.isfinite(point.value)}
        for name, row in rows.items()
        if row
    }
    values = [point.value for row in points.values() for point in row.values()]
    scale = Scale(min([0.0, *values]), max([1.0, *values]), NAMES, WIDTH - 44)
    step = max(ROW, 10 + 9 * len(names)) if len(names) > 1 else ROW
    bottom = step * len(points)
    shapes = [vertical_lines(map(scale, scale.ticks()), 0, bottom), ticks(scale, scale.ticks(), bottom + 15)]
    words = []
    for index, (name, row) in enumerate(points.items()):
        middle = step * (index + 0.5)
        shapes.append(label(NAMES - 8, middle + 4, fit(name), anchor="end"))
        for series, point in row.items():
            y = middle + (9.0 * (series - (len(names) - 1) / 2) if len(names) > 1 else 0.0)
            if point.interval is not None and all(map(math.isfinite, point.interval)):
                shapes.append(
                    line(scale(point.interval[0]), y, scale(point.interval[1]), y, f"interval s{series % 6}")
                )
            shapes.append(mark(series, scale(point.value), y))
            if len(names) == 1:
                shapes.append(label(WIDTH, middle + 4, point.text, "small", anchor="end"))
            of_record = f", {names[series]}:" if len(names) > 1 else ""
            words.append(f"{name}{of_record} {point.words}")
    return Chart(WIDTH, round(bottom + AXIS), title, "; ".join(words), tuple(shapes))


def fit(name: str, room: float = NAMES - 8) -> str:
    """Return a name cut to a room in pixels, with an ellipsis."""
    return shorten(name, max(int(room / 6.4), 2))


@dataclass(frozen=True, slots=True)
class Bin:
    """Images with similar confidence.

    Attributes:
        images: number of images.
        confidence: their mean confidence, in [0, 1].
        accuracy: share of them that is classified correctly.
        low: lower end of the bin.
        high: upper end of the bin.
    """

    images: int
    confidence: float
    accuracy: float
    low: float
    high: float


def reliability_diagram(
    bins: Mapping[int, Sequence[Bin]], scaled: Mapping[int, Sequence[Bin]], names: Sequence[str]
) -> Chart:
    """Return accuracy by confidence, with the number of images in each bin.

    Args:
        bins: non-empty bins by number of the record.
        scaled: the bins after temperature scaling, likewise.
        names: names of the records.
    """
    left, right, top, bottom = 52.0, WIDTH - 14.0, 8.0, 260.0
    x, y = Scale(0, 1, left, right), Scale(0, 1, bottom, top)
    shapes = _frame(x, y, "confidence", "accuracy")
    shapes.append(line(x(0), y(0), x(1), y(1), "ideal"))
    words = []
    for series, of_record in scaled.items():
        shapes.append(
            polyline([(x(b.confidence), y(b.accuracy)) for b in of_record], f"curve dashed s{series % 6}")
        )
    for series, of_record in bins.items():
        shapes.append(polyline([(x(b.confidence), y(b.accuracy)) for b in of_record], f"curve s{series % 6}"))
        most = max(b.images for b in of_record)
        shapes += [
            mark(series, x(b.confidence), y(b.accuracy), 2 + 3.5 * math.sqrt(b.images / most))
            for b in of_record
        ]
        listed = ", ".join(
            f"confidence {b.confidence:.2f} accuracy {b.accuracy:.2f} ({b.images:,} images)"
            for b in of_record
        )
        words.append(f"{names[series]}: {listed}" if len(names) > 1 else listed)
    start = bottom + 42
    for series, of_record in bins.items():
        shapes += _counts(series, of_record, x, start)
        start += 44
    return Chart(WIDTH, round(start), "Reliability diagram", "; ".join(words), tuple(shapes))


def _counts(series: int, bins: Sequence[Bin], x: Scale, start: float) -> list[Shape]:
    """Return a histogram of the bins: one path of bars, and a number above each."""
    most = max((b.images for b in bins), default=1)
    base = start + 40
    steps, shapes = [], []
    for b in bins:
        first, last = x(b.low) + 1, max(x(b.high) - 1, x(b.low) + 3)
        height = max(26 * b.images / most, 1)
        steps.append(f"M{first:.1f} {base}V{base - height:.1f}H{last:.1f}V{base}Z")
        shapes.append(
            label((first + last) / 2, base - height - 2, short_count(b.images), "tiny", anchor="middle")
        )
    return [shape("path", d="".join(steps), class_=f"bars s{series % 6}"), *shapes]


def short_count(count: int) -> str:
    """Return a count in at most four characters.

    >>> short_count(950), short_count(1250), short_count(49_870), short_count(1_250_000)
    ('950', '1.2k', '50k', '1.2M')
    """
    for size, suffix in ((1_000_000, "M"), (1000, "k")):
        if count >= size:
            return f"{count / size:.1f}{suffix}" if count < 10 * size else f"{count / size:.0f}{suffix}"
    return str(count)


def _frame(x: Scale, y: Scale, x_title: str, y_title: str) -> list[Shape]:
    """Return grid, ticks and titles of two axes."""
    rows = "".join(f"M{number(x.start)} {number(y(tick))}H{number(x.end)}" for tick in y.ticks())
    texts = [shape("text", f"{tick:g}", x=x.start - 6, y=y(tick) + 4) for tick in y.ticks()]
    shapes = [
        vertical_lines(map(x, x.ticks()), y.end, y.start),
        shape("path", d=rows, class_="grid"),
        ticks(x, x.ticks(), y.start + 14),
        group(texts, **{"class": "small", "text-anchor": "end"}),
    ]
    middle = (y.start + y.end) / 2
    shapes += [
        label((x.start + x.end) / 2, y.start + 28, x_title, "small", anchor="middle"),
        label(11, middle, y_title, "small", anchor="middle", transform=f"rotate(-90 11 {middle:g})"),
    ]
    return shapes


def curves_chart(
    title: str,
    axes: tuple[str, str],
    curves: Mapping[int, Sequence[tuple[float, float]]],
    marks: Mapping[int, Sequence[tuple[str, float, float]]],
    names: Sequence[str],
) -> Chart:
    """Return curves with marked points, of numbers in [0, 1].

    Args:
        title: name of the chart.
        axes: titles of the horizontal and the vertical axis.
        curves: points of each curve, by number of the record.
        marks: the marked points, likewise: the rule of its threshold, horizontal and vertical position.
        names: names of the records.
    """
    heights = [y for points in curves.values() for _, y in points]
    x, y = Scale(0, 1, 52, WIDTH - 14), Scale(*hull([0.0, *heights], within=(0.0, 1.0)), 260, 8)
    shapes = _frame(x, y, *axes)
    shapes += [
        polyline([(x(one), y(other)) for one, other in points], f"curve s{series % 6}")
        for series, points in curves.items()
    ]
    words = []
    for series, points in marks.items():
        of_record = f"{names[series]}, " if len(names) > 1 else ""
        for rule, one, other in points:
            shapes.append(mark(series, x(one), y(other), 6))
            words.append(f"{of_record}{rule}: {axes[1]} {other:.3f} at {axes[0]} {one:.3f}")
    return Chart(WIDTH, 294, title, "; ".join(words) or "no marked point", tuple(shapes))


def class_curve(accuracies: Mapping[int, Sequence[float]], names: Sequence[str]) -> Chart:
    """Return the accuracies of all classes, sorted; one path for each record.

    Args:
        accuracies: accuracy of each class, by number of the record.
        names: names of the records.
    """
    ordered = {series: sorted(filter(math.isfinite, values)) for series, values in accuracies.items()}
    everything = [value for values in ordered.values() for value in values]
    most = max(map(len, ordered.values()), default=1)
    x = Scale(1, max(most, 2), 52, WIDTH - 14)
    y = Scale(*hull([*everything, 1.0], margin=0.06, within=(0.0, 1.0)), 190, 8)
    shapes = _frame(x, y, "classes, the worst first", "accuracy")
    words = []
    for series, values in ordered.items():
        if not values:
            continue
        corners = [(x(index + 1), y(values[index])) for index in _corners(values)]
        shapes.append(polyline(corners, f"curve s{series % 6}"))
        shapes.append(mark(series, x(1), y(values[0])))
        half = values[(len(values) - 1) // 2]
        prefix = f"{names[series]}: " if len(names) > 1 else ""
        words.append(
            f"{prefix}{len(values):,} classes, lowest {values[0]:.3f}, median {half:.3f}, "
            f"highest {values[-1]:.3f}"
        )
    return Chart(WIDTH, 224, "Accuracy of each class, sorted", "; ".join(words), tuple(shapes))


def _corners(values: Sequence[float]) -> list[int]:
    """Return the places at which a run of equal values begins or ends.

    >>> _corners([0.1, 0.5, 0.5, 0.5, 0.9])
    [0, 1, 3, 4]
    """
    last = len(values) - 1
    return [
        index
        for index, value in enumerate(values)
        if index in (0, last) or not values[index - 1] == value == values[index + 1]
    ]
