"""Charts of curves with marked points, and of the distribution of a population."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np

from quba_check.number_format import format_value
from quba_check.page.drawing import Chart, Scale, Shape, hull, label, line, mark, number, polyline, shape
from quba_check.page.strips import at, bar

WIDTH = 480
"""Width of charts; a phone of 360 pixels shows them at seven tenths of their size, with larger text."""
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


def curves_chart(
    title: str,
    axes: tuple[str, str],
    curves: Mapping[int, Curve],
    marks: Mapping[int, Sequence[Marked]],
    names: Sequence[str],
    dashed: Mapping[int, Curve] | None = None,
) -> Chart:
    """Return curves with marked points, of numbers in [0, 1].

    Args:
        title: name of the chart.
        axes: titles of the horizontal and the vertical axis.
        curves: points of each curve, by number of the record.
        marks: the marked points, likewise.
        names: names of the records.
        dashed: second curves to compare with the first and the diagonal; None without.
    """
    heights = [1.0 if dashed is not None else 0.0, *(y for points in curves.values() for _, y in points)]
    x, y = Scale(0, 1, 52, WIDTH - 14), Scale(*hull([0.0, *heights], within=(0.0, 1.0)), 260, 8)
    shapes = _frame(x, y, *axes)
    if dashed is not None:
        shapes.append(line(x(0), y(0), x(1), y(1), "ideal"))
    for drawn, class_ in ((dashed or {}, "curve dashed"), (curves, "curve")):
        shapes += [
            polyline([(x(one), y(other)) for one, other in points], f"{class_} s{series % 6}")
            for series, points in drawn.items()
        ]
    words = []
    for series, points in marks.items():
        of_record = f"{names[series]}, " if len(names) > 1 else ""
        for rule, one, other, radius in points:
            shapes.append(mark(series, x(one), y(other), radius))
            words.append(f"{of_record}{rule}: {axes[1]} {other:.3f} at {axes[0]} {one:.3f}")
    return Chart(WIDTH, 294, title, "; ".join(words) or "no marked point", tuple(shapes))


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


BINS = 32
TALLEST, BASE = 62.0, 100.0


def distribution(
    population: Sequence[float], own: Mapping[int, float], names: Sequence[str], unit: str
) -> Chart:
    """Return a histogram of a population with a mark for each record.

    Args:
        population: the values, ascending, at least one.
        own: value by number of the record.
        names: names of the records.
        unit: unit of the values; millions have a logarithmic axis.
    """
    finite = {series: value for series, value in own.items() if math.isfinite(value)}
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
