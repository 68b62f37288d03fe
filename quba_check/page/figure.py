"""Charts and figures of the page: curves, distributions, and tables of strips and coloured numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from quba_check.number_format import format_value
from quba_check.page.columns import shorten
from quba_check.page.drawing import Chart, Scale, Shape, hull, label, line, mark, number, polyline, shape
from quba_check.page.strips import Point, at, axis, bar, points_chart, round_scale

LEVELS = 10
"""Number of steps from 0 to 1; each has a colour and a text colour in page.css, for light and dark."""
MOST_ROWS = 24
"""Largest number of rows with a strip; the rows with the lowest values are drawn."""
MOST_NUMBERED = 20
MOST_ON_PHONES = 8
"""Largest number of classes in a matrix whose numbers are readable, and of columns on phones."""
WIDTH = 480
"""Width of charts; a phone of 360 pixels shows them at seven tenths of their size, with larger text."""
BINS = 32
TALLEST = 62.0
BASE = 100.0
Names = Sequence[str]
Curve = Sequence[tuple[float, float]]
Marked = tuple[str, float, float, float]
"""A marked point of a curve: its words, horizontal and vertical position, and radius in pixels."""


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
    grid = [f"M{number(x(tick))} {number(y.end)}V{number(y.start)}" for tick in x.ticks()]
    grid += [f"M{number(x.start)} {number(y(tick))}H{number(x.end)}" for tick in y.ticks()]
    middle = (y.start + y.end) / 2
    return [
        shape("path", d="".join(grid), class_="grid"),
        *(label(x(tick), y.start + 14, f"{tick:g}", "small", anchor="middle") for tick in x.ticks()),
        *(label(x.start - 6, y(tick) + 4, f"{tick:g}", "small", anchor="end") for tick in y.ticks()),
        label((x.start + x.end) / 2, y.start + 28, x_title, "small", anchor="middle"),
        label(11, middle, y_title, "small", anchor="middle", transform=f"rotate(-90 11 {middle:g})"),
    ]


def distribution(
    population: Sequence[float], record_values: Mapping[int, float], names: Names, unit: str
) -> Chart:
    """Return a histogram of a population with a mark for each record.

    Args:
        population: the values, ascending, at least one.
        record_values: value by number of the record.
        names: names of the records.
        unit: unit of the values; millions have a logarithmic axis.
    """
    finite = {series: value for series, value in record_values.items() if math.isfinite(value)}
    everything = [*population, *finite.values()]
    is_log = unit == "millions" and min(everything) > 0
    turned = math.log10 if is_log else float
    scale = Scale(*hull(map(turned, everything), margin=0.03), 2, 98)
    counts, edges = np.histogram([*map(turned, population)], BINS, (scale.low, scale.high))
    heights = TALLEST * counts / counts.max()
    shapes = [
        bar(scale(low), scale(high) - 0.1, BASE - height / 2, height, "bars population")
        for low, high, height in zip(edges, edges[1:], heights.tolist(), strict=False)
        if height
    ]
    middle = median(population)
    shapes.append(bar(2, 98, BASE, 1, "axis"))
    shapes.append(at(scale(turned(middle)), line(0, BASE - TALLEST - 6, 0, BASE, "median")))
    powers = range(math.floor(scale.low), math.ceil(scale.high) + 1) if is_log else ()
    logs = [math.log10(factor) + power for power in powers for factor in (1, 3)]
    for tick in [tick for tick in logs if scale.low <= tick <= scale.high] or scale.ticks():
        text = f"{10**tick if is_log else tick:.4g}"
        anchor = "start" if scale(tick) < 7 else "end" if scale(tick) > 93 else "middle"
        shapes.append(at(scale(tick), label(0, BASE + 16, text, "small", anchor=anchor)))
    words = [f"median of {len(population):,} models {format_value(middle, unit)}"]
    for series, value in finite.items():
        stem = line(0, 24, 0, BASE, f"stem s{series % 6}")
        shapes.append(at(scale(turned(value)), stem, mark(series, 0, 16)))
        words.append(f"{names[series]} {format_value(value, unit)}")
    return Chart(0, 120, "Distribution of the population", "; ".join(words), tuple(shapes))


@dataclass(frozen=True, slots=True)
class Tinted:
    """A cell with the colour of its value.

    Attributes:
        text: the number.
        level: step of the colour, from 0 to `LEVELS`; None for a right answer.
    """

    text: str
    level: int | None = None


FigureContent = str | Chart | Tinted


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart or a small table with a caption.

    Attributes:
        caption: meaning of marks and numbers.
        chart: the chart; None for a table.
        headings: headings of the table; empty without one.
        rows: cells of the table.
        kind: class of the table in page.css: `strips`, or `matrix` alone, dense, stacked or heat.
    """

    caption: str
    chart: Chart | None = None
    headings: tuple[FigureContent, ...] = ()
    rows: tuple[tuple[FigureContent, ...], ...] = ()
    kind: str = ""


def curves_figure(
    caption: str,
    axes: tuple[str, str],
    curves: Mapping[int, Curve],
    marks: Mapping[int, Sequence[Marked]],
    names: Names,
    *,
    title: str,
    dashed: Mapping[int, Curve] | None = None,
) -> Figure:
    """Return curves with marked points, of numbers in [0, 1].

    Args:
        caption: meaning of the curves; without `dashed`, the marked points are added to it.
        axes: titles of the horizontal and the vertical axis.
        curves: points of each curve, by number of the record.
        marks: the marked points, likewise.
        names: names of the records.
        title: name of the chart.
        dashed: second curves to compare with the first and the diagonal; None without.
    """
    heights = [1.0 if dashed is not None else 0.0, *(y for points in curves.values() for _, y in points)]
    x, y = Scale(0, 1, 52, WIDTH - 14), Scale(*hull([0.0, *heights], within=(0.0, 1.0)), 260, 8)
    shapes = _frame(x, y, *axes)
    if dashed is not None:
        shapes.append(line(x(0), y(0), x(1), y(1), "ideal"))
    for drawn, class_ in ((dashed or {}, "curve dashed"), (curves, "curve")):
        for series, curve in drawn.items():
            shapes.append(
                polyline(((x(x_value), y(y_value)) for x_value, y_value in curve), f"{class_} s{series % 6}")
            )
    words = []
    for series, points in marks.items():
        of_record = f"{names[series]}, " if len(names) > 1 else ""
        for rule, x_value, y_value, radius in points:
            shapes.append(mark(series, x(x_value), y(y_value), radius))
            words.append(f"{of_record}{rule}: {axes[1]} {y_value:.3f} at {axes[0]} {x_value:.3f}")
    description = "; ".join(words) or "no marked point"
    chart = Chart(WIDTH, 294, title, description, tuple(shapes))
    return Figure(f"{caption} Marked: {description}." if words and dashed is None else caption, chart)


def bars(caption: str, kind: str, rows: Mapping[str, Mapping[int, Point]], names: Names) -> Figure | None:
    """Return a table with a strip for each row; None without a finite value.

    Args:
        caption: meaning of the values.
        kind: the rows' common noun, such as `class`.
        rows: values by name of the row and number of the record.
        names: names of the records.
    """
    finite = {
        name: {series: point for series, point in row.items() if math.isfinite(point.value)}
        for name, row in rows.items()
    }
    points = {name: row for name, row in finite.items() if row}
    if not points:
        return None
    lowest = sorted(points, key=lambda name: min(point.value for point in points[name].values()))[:MOST_ROWS]
    if len(lowest) < len(points):
        caption += f" The lowest {MOST_ROWS} of {len(points):,}."
        points = {name: row for name, row in points.items() if name in lowest}
    scale = round_scale(point.value for row in points.values() for point in row.values())
    value_columns = range(len(names) if len(names) <= 2 else 0)  # the strips of more records stay readable
    return Figure(
        caption,
        headings=(kind, axis(scale), *(names[k] if len(names) > 1 else "value" for k in value_columns)),
        rows=tuple(
            (
                name,
                points_chart(name, row, scale, names),
                *(row[k].text if k in row else "–" for k in value_columns),
            )
            for name, row in points.items()
        ),
        kind="strips",
    )


def matrix(
    caption: str,
    corner: str,
    names: Names,
    hits: Mapping[str, int],
    cells: Mapping[tuple[str, str], tuple[int, float]],
) -> Figure:
    """Return a matrix with a row for each class and a column for each answer.

    Args:
        caption: meaning of rows, columns and colours.
        corner: heading of the rows.
        names: names of the classes.
        hits: number of correctly classified images, by their class.
        cells: number of other images and their share, by class and answer.
    """
    largest = max((share for _, share in cells.values()), default=1.0)

    def content(row: str, column: str) -> FigureContent:
        if (row, column) in cells:
            count, share = cells[row, column]
            return Tinted(short_count(count), round((LEVELS - 1) * (1 - share / largest)))
        return Tinted(short_count(hits[row])) if row == column and hits.get(row) else ""

    headings = (corner, *(shorten(name, 16) for name in names))
    rows = tuple((name, *(content(name, other) for other in names)) for name in names)
    kind = "dense" if len(names) > MOST_NUMBERED else "stacked" * (len(names) > MOST_ON_PHONES)
    return Figure(caption, headings=headings, rows=rows, kind=f"matrix {kind}".strip())


def heatmap(caption: str, headings: tuple[str, ...], rows: Mapping[str, Sequence[float | None]]) -> Figure:
    """Return a table of values in [0, 1], coloured by value.

    Values above 1 have the colour of 1; missing ones a dash.
    """

    def content(value: float | None) -> FigureContent:
        return "–" if value is None else Tinted(f"{value:.2f}", round(LEVELS * min(max(value, 0.0), 1.0)))

    cells = tuple((name, *map(content, values)) for name, values in rows.items())
    return Figure(caption, headings=headings, rows=cells, kind="matrix heat")
