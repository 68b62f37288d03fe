"""The distribution of a population with the records in it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np

from quba_check.number_format import format_value
from quba_check.page.drawing import Chart, Scale, group, hull, line, mark, shape, vertical_lines
from quba_check.page.plots import WIDTH

BINS = 32
TALLEST = 62.0
BASE = 100.0
LEAST_RATIO = 20
"""Ratio of largest and smallest value from which the axis is logarithmic, for values above 0."""


def distribution(
    population: Sequence[float], own: Mapping[int, float], names: Sequence[str], unit: str
) -> Chart:
    """Return a histogram of a population, as one path, with a mark for each record.

    Args:
        population: the values, ascending, at least one.
        own: value by number of the record.
        names: names of the records.
        unit: unit of the values; millions have a logarithmic axis if they vary much.
    """
    finite = {series: value for series, value in own.items() if math.isfinite(value)}
    everything = [*population, *finite.values()]
    is_log = unit == "millions" and min(everything) > 0 and max(everything) / min(everything) >= LEAST_RATIO
    turned = math.log10 if is_log else float
    scale = Scale(*hull(map(turned, everything), margin=0.03), 12, WIDTH - 12)
    counts, _ = np.histogram([*map(turned, population)], BINS, (scale.low, scale.high))
    most, step = counts.max(), (scale.end - scale.start) / BINS
    steps = [
        f"M{scale.start + step * index:.1f} {BASE:g}v{-TALLEST * count / most:.1f}h{step - 0.5:.1f}V{BASE:g}"
        for index, count in enumerate(counts)
        if count
    ]
    middle = median(population)
    shapes = [
        shape("path", d="".join(steps), class_="bars population"),
        line(scale.start, BASE, scale.end, BASE, "axis"),
        line(scale(turned(middle)), BASE - TALLEST - 6, scale(turned(middle)), BASE, "median"),
    ]
    marked = _ticks(scale, is_log=is_log)
    shapes.append(vertical_lines([scale(turned(value)) for value in marked], BASE, BASE + 4, "axis"))
    texts = [shape("text", f"{value:g}", x=scale(turned(value)), y=BASE + 16) for value in marked]
    shapes.append(group(texts, **{"class": "small", "text-anchor": "middle"}))
    words = [f"median of {len(population):,} models {format_value(middle, unit)}"]
    for series, value in finite.items():
        x = scale(turned(value))
        shapes += [line(x, 24, x, BASE, f"stem s{series % 6}"), mark(series, x, 16)]
        words.append(f"{names[series]} {format_value(value, unit)}")
    return Chart(WIDTH, 120, "Distribution of the population", "; ".join(words), tuple(shapes))


def _ticks(scale: Scale, *, is_log: bool) -> list[float]:
    if not is_log:
        return scale.ticks()
    powers = range(math.floor(scale.low), math.ceil(scale.high) + 1)
    values = [factor * 10.0**power for power in powers for factor in (1, 3)]
    return [value for value in values if scale.low <= math.log10(value) <= scale.high]
