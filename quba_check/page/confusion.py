"""The confusion matrix of a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from quba_check.page.drawing import Chart, Shape, group, label, number, rect, shape
from quba_check.page.plots import NAMES, WIDTH, fit, short_count

LEVELS = 9
"""Colours of confusions, a part of the heatmap's: 0 stands out most."""
HEAD = 96
LEAST, MOST = 14, 24
"""Range of the side of a cell in pixels; a matrix of many classes is wider than other charts."""
_NUMBERED = 20
"""Smallest side of a cell with a number in it."""

Confusions = Mapping[tuple[int, int], tuple[int, float]]
"""Number of images, and share of the class, by the positions of class and answer."""


def confusion_matrix(
    title: str, classes: Sequence[str], hits: Mapping[int, int], confusions: Confusions
) -> Chart:
    """Return a matrix with a row for each class and a column for each answer.

    Args:
        title: name of the matrix.
        classes: names of the classes.
        hits: number of correctly classified images, by the position of their class.
        confusions: the others.
    """
    side = max(LEAST, min(MOST, int((WIDTH - NAMES) / len(classes))))
    extent = side * len(classes)
    size, room = ("", 1.0) if side >= _NUMBERED else ("tiny", 1.25)
    largest = max((share for _, share in confusions.values()), default=1.0)
    levels = {cell: round(LEVELS * (1 - share / largest)) for cell, (_, share) in confusions.items()}
    shapes = [rect(NAMES, HEAD, extent, extent, "track")]
    shapes.append(_cells([(k, k) for k, count in hits.items() if count], side, "allowed"))
    shapes += [
        _cells([cell for cell in levels if levels[cell] == level], side, f"h{level}")
        for level in sorted({*levels.values()})
    ]
    for k, name in enumerate(classes):
        middle = side * (k + 0.5) + 4
        shapes.append(label(NAMES - 8, HEAD + middle, fit(name, room * (NAMES - 8)), size, anchor="end"))
        x = NAMES + middle
        rotated = f"rotate(-90 {number(x)} {HEAD - 6})"
        shapes.append(label(x, HEAD - 6, fit(name, room * (HEAD - 12)), size, transform=rotated))
    if side >= _NUMBERED:
        counts = {(k, k): (count, "tiny") for k, count in hits.items() if count}
        counts |= {cell: (count, f"ink h{levels[cell]}") for cell, (count, _) in confusions.items()}
        texts = [
            label(NAMES + side * (column + 0.5), HEAD + side * (row + 0.5) + 4, short_count(count), class_)
            for (row, column), (count, class_) in counts.items()
        ]
        shapes.append(group(texts, **{"text-anchor": "middle"}))
    words = [
        f"{classes[row]} as {classes[column]} {count:,}" for (row, column), (count, _) in confusions.items()
    ]
    description = f"{len(classes)} classes; {', '.join(words[:10]) or 'no confusion'}"
    width = max(WIDTH, round(NAMES + extent))
    return Chart(width, HEAD + extent + 2, title, description, tuple(shapes))


def _cells(cells: Sequence[tuple[int, int]], side: int, class_: str) -> Shape:
    """Return cells of one colour as one path."""
    inner = side - 1
    corners = (f"M{number(NAMES + side * column)} {HEAD + side * row}" for row, column in cells)
    path = "".join(f"{corner}h{inner}v{inner}h-{inner}z" for corner in corners)
    return shape("path", d=path, class_=f"cell {class_}")
