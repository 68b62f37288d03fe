"""A heatmap with a number in each cell, readable on every colour."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from quba_check.page.drawing import Chart, Shape, group, shape
from quba_check.page.plots import NAMES, WIDTH, fit

STOPS = ((0.0, (8, 48, 107)), (0.35, (33, 113, 181)), (0.7, (158, 202, 225)), (1.0, (247, 251, 255)))
"""Colours of values from 0 to 1: the darker, the more accuracy is lost."""
LIGHT, DARK = "#fff", "#000"
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
        shape("text", name, x=NAMES + width * (place + 0.5), role="columnheader")
        for place, name in enumerate(columns)
    ]
    corner = shape("text", "severity", x=NAMES - 8, class_="end", role="columnheader")
    shapes = [_row([corner, *heads], 15, "small")]
    for place, (name, values) in enumerate(rows.items()):
        header = shape("text", fit(name), x=NAMES - 8, class_="end", role="rowheader")
        cells = [
            element
            for column, value in enumerate(values)
            for element in _cell(NAMES + width * column, width, value)
        ]
        shapes.append(_row([header, *cells], HEAD + ROW * place + 15))
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
    fill = colour(value)
    yield shape("rect", x=x, y=-15.0, width=width - 1, height=ROW - 1.0, fill=fill)
    is_light = ink_on(fill) == LIGHT
    yield shape("text", f"{value:.2f}", x=middle, role="cell", **({"class_": "light"} if is_light else {}))


def colour(value: float) -> str:
    """Return the colour of a value as `#rrggbb`.

    >>> colour(0.0), colour(1.2)
    ('#08306b', '#f7fbff')
    """
    value = min(max(value, 0.0), 1.0)
    place = next(place for place in range(1, len(STOPS)) if value <= STOPS[place][0])
    (low, before), (high, after) = STOPS[place - 1], STOPS[place]
    share = (value - low) / (high - low)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(before, after, strict=True))


def ink_on(fill: str) -> str:
    """Return the text colour with the higher contrast on a colour."""
    return max((LIGHT, DARK), key=lambda ink: contrast(ink, fill))


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours by WCAG 2, from 1 to 21.

    >>> round(contrast("#fff", "#000000"), 1)
    21.0
    """
    low, high = sorted(map(_luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(text: str) -> float:
    digits = text[1:] if len(text) == 7 else "".join(2 * digit for digit in text[1:])
    channels = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
