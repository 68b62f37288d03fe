"""Scatter of two qualities of a population's models, as it is without JavaScript.

`templates/standing.js` draws the same chart for other axes, filters and weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from quba_check.dimensions import registry
from quba_check.page.columns import shorten
from quba_check.page.drawing import Chart, Scale, Shape, hull, label, line, polyline, shape
from quba_check.study.dimension_ranks import value_text
from quba_check.study.pareto import pareto_front
from quba_check.study.ranking import RankedModel

SCORE = "score"
LOGARITHMIC = "parameters"
"""The dimension with a logarithmic axis: models differ by factors."""
WIDTH, HEIGHT = 720, 440
LEFT, RIGHT, TOP, BOTTOM = 64, 704, 16, 380
"""Edges of the area of the points, in pixels."""
LABEL_HEIGHT = 18
FAMILIES = 4
"""Number of families with a colour and mark; further ones share them."""
STAR = "l3.3 8.5 9.1 0.5 -7.1 5.7 2.3 8.8 -7.6 -4.9 -7.6 4.9 2.3 -8.8 -7.1 -5.7 9.1 -0.5z"
"""Mark of an own model, from its upper point."""
STAR_ABOVE = 13
"""Distance of this point from the mark's centre."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A quality on an axis.

    Attributes:
        name: a dimension, or `score`.
    """

    name: str

    @property
    def title(self) -> str:
        """Its name in words, with the better direction if that is the lower one."""
        words = "QUBA score" if self.name == SCORE else self.name.replace("_", " ")
        unit = ", millions" if self.name == LOGARITHMIC else ""
        return f"{words}{unit}{'' if self.is_higher_better else ' (lower is better)'}"

    @property
    def is_higher_better(self) -> bool:
        """True if higher values are better."""
        return self.name == SCORE or registry[self.name].better == "high"

    def value(self, model: RankedModel) -> float | None:
        """Return the value of a model; None without a value that the axis can show."""
        value = model.score if self.name == SCORE else model.values.get(self.name)
        return None if value is None or (self.name == LOGARITHMIC and value <= 0) else value

    def place(self, value: float) -> float:
        """Return the place of a value on a linear scale."""
        return math.log10(value) if self.name == LOGARITHMIC else value

    def ticks(self, scale: Scale) -> list[float]:
        """Return round values on the scale."""
        if self.name != LOGARITHMIC:
            return scale.ticks(8)
        decades = range(math.floor(scale.low), math.ceil(scale.high) + 1)
        values = [factor * 10.0**decade for decade in decades for factor in (1, 3)]
        return [value for value in values if scale.low <= math.log10(value) <= scale.high]

    def text(self, value: float) -> str:
        """Return a value as text."""
        return f"{value:.3f}" if self.name == SCORE else value_text(self.name, value)


def scatter(
    models: Sequence[RankedModel], x: Axis, y: Axis, families: Sequence[str], names: Sequence[str]
) -> Chart:
    """Return the chart of all models with both values.

    Args:
        models: the population's models and own ones.
        x: quality on the horizontal axis.
        y: quality on the vertical axis.
        families: architectures in the order of their colours and marks.
        names: names of the own models, by the number in their `file`.
    """
    points = [
        (model, x.place(a), y.place(b))
        for model in models
        if (a := x.value(model)) is not None and (b := y.value(model)) is not None
    ]
    across = Scale(*hull((place for _, place, _ in points), margin=0.05), LEFT, RIGHT)
    up = Scale(*hull((place for _, _, place in points), margin=0.05), BOTTOM, TOP)
    of_population = [(model, across(a), up(b)) for model, a, b in points if not model.is_own]
    own = [(names[int(model.file or 0)], across(a), up(b)) for model, a, b in points if model.is_own]
    front = _front([(a, b) for _, a, b in of_population], x, y)
    shapes = [
        *_axes(x, y, across, up),
        polyline([(a, b) for a, b in front], "front"),
        *_marks(of_population, families),
        *_own_marks(own),
    ]
    return Chart(
        WIDTH,
        HEIGHT,
        f"{y.title} against {x.title}",
        f"{len(of_population)} models; {len(front)} of them are on the Pareto front",
        tuple(shapes),
    )


def _front(pixels: Sequence[tuple[float, float]], x: Axis, y: Axis) -> list[tuple[float, float]]:
    """Return the pixels on the Pareto front, from left to right."""
    sign_x, sign_y = 1 if x.is_higher_better else -1, -1 if y.is_higher_better else 1
    return sorted(pixels[k] for k in pareto_front([(sign_x * a, sign_y * b) for a, b in pixels]))


def _axes(x: Axis, y: Axis, across: Scale, up: Scale) -> Iterable[Shape]:
    for value in x.ticks(across):
        pixel = across(x.place(value))
        yield line(pixel, TOP, pixel, BOTTOM, "grid")
        yield label(pixel, BOTTOM + 24, _tick_text(value), anchor="middle")
    for value in y.ticks(up):
        pixel = up(y.place(value))
        yield line(LEFT, pixel, RIGHT, pixel, "grid")
        yield label(LEFT - 6, pixel + 5, _tick_text(value), anchor="end")
    yield label((LEFT + RIGHT) / 2, BOTTOM + 50, x.title, anchor="middle")
    yield label(-(TOP + BOTTOM) / 2, 14, y.title, "up", anchor="middle", transform="rotate(-90)")


def _tick_text(value: float) -> str:
    return f"{value:.6g}"


def _marks(
    of_population: Sequence[tuple[RankedModel, float, float]], families: Sequence[str]
) -> Iterable[Shape]:
    """Return one path per family."""
    for number, family in enumerate(families or [""]):
        steps = [
            family_mark(number, a, b)
            for model, a, b in of_population
            if model.groups.get("architecture", "") == family
        ]
        if steps:
            yield shape("path", d="".join(steps), class_=f"f{number % FAMILIES}")


def family_mark(number: int, x: float, y: float) -> str:
    """Return the mark of a family as a path: dot, triangle, square or diamond."""
    dx, dy, rest = ((0, 0, "h0"), (0, -4, "l4 7h-8z"), (-3, -3, "h6v6h-6z"), (0, -5, "l4 5-4 5-4-5z"))[
        number % FAMILIES
    ]
    return f"M{x + dx:.0f} {y + dy:.0f}{rest}"


def _own_marks(own: Sequence[tuple[str, float, float]]) -> Iterable[Shape]:
    """Return a star and a name for each own model; names keep a distance."""
    free = float("-inf")
    for name, a, b in sorted(own, key=lambda row: row[2]):
        yield shape("path", d=f"M{a:.1f} {b - STAR_ABOVE:.1f}{STAR}", class_="own")
        free = max(b + 5, free)
        is_right = a > (LEFT + RIGHT) / 2
        yield label(
            a - 20 if is_right else a + 20,
            free,
            shorten(name, 24),
            "own",
            anchor="end" if is_right else "start",
        )
        free += LABEL_HEIGHT
