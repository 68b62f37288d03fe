"""The distribution of a population with the records in it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np

from quba_check.number_format import format_value
from quba_check.page.drawing import Chart, Scale, hull, label, line, mark
from quba_check.page.strips import at, bar

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
