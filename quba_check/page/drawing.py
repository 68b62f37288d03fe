"""SVG drawings as values: shapes, marks and scales."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Attribute = str | float


@dataclass(frozen=True, slots=True)
class Shape:
    """An SVG element.

    Attributes:
        tag: its name.
        attributes: its attributes; numbers have one decimal.
        text: its text.
        children: elements in it.
    """

    tag: str
    attributes: Mapping[str, str]
    text: str = ""
    children: tuple[Shape, ...] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing with its words.

    Attributes:
        width: width in pixels; 0 for one that fills its place, with places across in percent.
        height: height in pixels.
        title: name of the chart for screen readers.
        description: its values as text for screen readers.
        shapes: its elements, from back to front.
    """

    width: int
    height: int
    title: str
    description: str
    shapes: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear scale from values to pixels; values outside are moved to its ends.

    Attributes:
        low: value at the start.
        high: value at the end.
        start: pixel of `low`.
        end: pixel of `high`.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return round values within the scale, at most six or seven.

        >>> Scale(0, 1, 0, 100).ticks()
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
        """
        span = self.high - self.low
        if not span > 0:
            return [self.low]
        rough = span / 5
        power = 10 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(number * step, 12) for number in range(first, last + 1)]


def hull(
    values: Iterable[float], *, margin: float = 0.1, within: tuple[float, float] | None = None
) -> tuple[float, float]:
    """Return a range that covers finite values with a margin on both sides.

    Args:
        values: the values; infinite ones and NaN are ignored.
        margin: margin as a share of the range.
        within: possible range of the values; the margin does not leave it.
    """
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    room = margin * (high - low) or 0.05 * abs(high) or 0.5
    if within is None:
        return low - room, high + room
    return min(max(low - room, within[0]), low), max(min(high + room, within[1]), high)


def number(value: float) -> str:
    """Return a coordinate with at most one decimal.

    >>> number(3.0), number(2.25), number(-0.01)
    ('3', '2.2', '0')
    """
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def shape(tag: str, text: str = "", /, **attributes: Attribute) -> Shape:
    """Return an element; `class_` becomes `class`, other underscores become hyphens."""
    named = {
        name.rstrip("_").replace("_", "-"): value if isinstance(value, str) else number(value)
        for name, value in attributes.items()
    }
    return Shape(tag, named, text)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Shape:
    """Return a line."""
    return shape("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def label(
    x: Attribute, y: float, text: str, class_: str = "", *, anchor: str = "start", **more: Attribute
) -> Shape:
    """Return a line of text."""
    named = {"text_anchor": anchor} if anchor != "start" else {}
    if class_:
        named["class_"] = class_
    return shape("text", text, x=x, y=y, **named, **more)


def polyline(points: Iterable[tuple[float, float]], class_: str) -> Shape:
    """Return a path through points."""
    return shape("path", d=_path(points), class_=class_)


def _path(points: Iterable[tuple[float, float]]) -> str:
    steps = [f"{number(x)} {number(y)}" for x, y in points]
    return f"M{'L'.join(steps)}" if steps else ""


MARKS: Mapping[str, Sequence[Sequence[tuple[float, float]]]] = {
    "circle": (),
    "square": (((-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)),),
    "triangle": (((0, -1.1), (1.1, 0.9), (-1.1, 0.9)),),
    "diamond": (((0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)),),
    "cross": (((1, 1), (-1, -1)), ((1, -1), (-1, 1))),
    "plus": (((1.2, 0), (-1.2, 0)), ((0, 1.2), (0, -1.2))),
}
"""Marks of records, as one outline or several strokes of radius 1.

The colours of the same order are the classes `s0` to `s5`.
"""


def mark(series: int, x: float, y: float, radius: float = 4.5) -> Shape:
    """Return the mark of a record; the first six differ in form and colour."""
    strokes = [*MARKS.values()][series % len(MARKS)]
    class_ = f"mark s{series % len(MARKS)}"
    if not strokes:
        return shape("circle", cx=x, cy=y, r=radius, class_=class_)
    paths = [_path((x + radius * dx, y + radius * dy) for dx, dy in stroke) for stroke in strokes]
    is_open = len(strokes) > 1
    d = "".join(paths) if is_open else f"{paths[0]}Z"
    return shape("path", d=d, class_=f"{class_} open" if is_open else class_)
