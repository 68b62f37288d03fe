"""A heatmap with a number in each cell, readable on every colour."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from quba_check.page.drawing import Chart, Shape, group, shape
from quba_check.page.plots import NAMES, WIDTH, fit

LEVELS = 10
"""Number of steps from 0 to 1; each has a colour and a text colour in page.css, for light and dark."""
ROW = 22
HEAD = 22


def heatmap(title: str, columns: Sequence[str], rows: Mapping[str, Sequence[float | None]]) -> Chart:
    """Return a table of values in [0, 1], coloured by value.

    Screen readers read it cell by cell.

    Args:
        title: name of the table.
        columns: headings of the columns.
        rows: values by name of the row; None or NaN for a missing one. Values above 1 have the colour of 1.
    """
    width = (WIDTH - NAMES) / max(len(columns), 1)
    heads = [
        shape("text", name, x=NAMES + width * (index + 0.5), role="columnheader")
        for index, name in enumerate(columns)
    ]
    corner = shape("text", "severity", x=NAMES - 8, class_="end", role="columnheader")
    shapes = [_row([corner, *heads], 15, "small")]
    for index, (name, values) in enumerate(rows.items()):
        header = shape("text", fit(name), x=NAMES - 8, class_="end", role="rowheader")
        cells = [
            element
            for column, value in enumerate(values)
            for element in _cell(NAMES + width * column, width, value)
        ]
        shapes.append(_row([header, *cells], HEAD + ROW * index + 15))
    description = f"{len(rows)} rows, {len(columns)} columns"
    return Chart(WIDTH, HEAD + ROW * len(rows), title, description, tuple(shapes), role="table")


def _row(cells: Sequence[Shape], baseline: float, class_: str = "cells") -> Shape:
    """Return a row of cells, whose texts stand at the height 0."""
    return group(cells, **{"class": class_, "role": "row", "transform": f"translate(0 {baseline:g})"})


def _cell(x: float, width: float, value: float | None) -> Iterator[Shape]:
    middle = x + (width - 1) / 2
    if value is None or not math.isfinite(value):
        yield shape("text", "–", x=middle, role="cell", class_="muted")
        return
    class_ = f"h{level(value)}"
    yield shape("rect", x=x, y=-15.0, width=width - 1, height=ROW - 1.0, class_=class_)
    yield shape("text", f"{value:.2f}", x=middle, role="cell", class_=class_)


def level(value: float) -> int:
    """Return the step of a value, from 0 to `LEVELS`.

    Values outside of [0, 1] have the step of its nearer end.

    >>> level(0.0), level(0.74), level(1.2)
    (0, 7, 10)
    """
    return round(LEVELS * min(max(value, 0.0), 1.0))
