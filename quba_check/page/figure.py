"""Figures of the page: charts, and tables of texts, strips and coloured numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from quba_check.page.columns import shorten
from quba_check.page.drawing import Chart
from quba_check.page.plots import short_count
from quba_check.page.strips import Point, axis, points_chart, round_scale

LEVELS = 10
"""Number of steps from 0 to 1; each has a colour and a text colour in page.css, for light and dark."""
MOST_ROWS = 24
"""Largest number of rows with a strip; the rows with the lowest values are drawn."""
MOST_NUMBERED = 20
"""Largest number of classes in a matrix whose numbers are readable."""


@dataclass(frozen=True, slots=True)
class Tinted:
    """A cell with the colour of its value.

    Attributes:
        text: the number.
        level: step of the colour, from 0 to `LEVELS`; None for a right answer.
    """

    text: str
    level: int | None = None


Content = str | Chart | Tinted


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart or a small table with a caption.

    Attributes:
        caption: meaning of marks and numbers.
        chart: the chart; None for a table.
        headings: headings of the table; empty without one.
        rows: cells of the table.
        kind: class of the table in page.css: `strips`, `matrix`, `matrix dense` or `matrix heat`.
    """

    caption: str
    chart: Chart | None = None
    headings: tuple[Content, ...] = ()
    rows: tuple[tuple[Content, ...], ...] = ()
    kind: str = ""


def bars(
    caption: str, kind: str, rows: Mapping[str, Mapping[int, Point]], names: Sequence[str]
) -> Figure | None:
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
    lowest = sorted(points, key=lambda name: min(point.value for point in points[name].values()))[:MOST_ROWS]
    if not points:
        return None
    if len(lowest) < len(points):
        caption += f" The lowest {MOST_ROWS} of {len(points):,}."
        points = {name: row for name, row in points.items() if name in lowest}
    scale = round_scale(point.value for row in points.values() for point in row.values())
    shown = range(len(names) if len(names) <= 2 else 0)  # the strips of more records stay readable
    return Figure(
        caption,
        headings=(kind, axis(scale), *(names[k] if len(names) > 1 else "value" for k in shown)),
        rows=tuple(
            (name, points_chart(name, row, scale, names), *(row[k].text if k in row else "–" for k in shown))
            for name, row in points.items()
        ),
        kind="strips",
    )


def matrix(
    caption: str,
    corner: str,
    names: Sequence[str],
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

    def content(row: str, column: str) -> Content:
        if (row, column) in cells:
            count, share = cells[row, column]
            return Tinted(short_count(count), round((LEVELS - 1) * (1 - share / largest)))
        return Tinted(short_count(hits[row])) if row == column and hits.get(row) else ""

    return Figure(
        caption,
        headings=(corner, *(shorten(name, 16) for name in names)),
        rows=tuple((name, *(content(name, other) for other in names)) for name in names),
        kind="matrix" if len(names) <= MOST_NUMBERED else "matrix dense",
    )


def heatmap(caption: str, headings: tuple[str, ...], rows: Mapping[str, Sequence[float | None]]) -> Figure:
    """Return a table of values in [0, 1], coloured by value.

    Values above 1 have the colour of 1; missing ones a dash.
    """

    def content(value: float | None) -> Content:
        return "–" if value is None else Tinted(f"{value:.2f}", round(LEVELS * min(max(value, 0.0), 1.0)))

    cells = tuple((name, *map(content, values)) for name, values in rows.items())
    return Figure(caption, headings=headings, rows=cells, kind="matrix heat")
