"""The charts of each dimension."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from heapq import nsmallest
from statistics import median
from typing import TypeVar

from quba_check.core.request import name_on_slices
from quba_check.messages import grouped
from quba_check.number_format import counted
from quba_check.page import tables
from quba_check.page.columns import Column
from quba_check.page.figure import MOST_ROWS, Figure, Names, bars, curves_figure, heatmap, matrix
from quba_check.page.strips import Point, axis, points_chart, round_scale

T = TypeVar("T")
FigureColumns = Sequence[Column]
CurvePoints = Mapping[str, Mapping[int, Point]]
"""Values by name of the row and number of the record."""
Draw = Callable[[FigureColumns, Names], Iterable[Figure | None]]
"""Returns the charts of a dimension from the records that have a value of it, and the names of all."""
WORST_CLASSES = 10
"""Number of classes in the table of the worst ones."""
MOST_POINTS = 200
"""Largest number of points of a curve over classes."""
MOST_PARTS = 100
"""Largest number of parts in a table."""
MOST_IN_MATRIX = 50
"""Largest number of classes in a confusion matrix."""
ROC = "roc."
MOST_CURVES = 12
"""Prefix of the tables with ROC curves, and the largest number of their charts."""


def figures(dimension: str, columns: FigureColumns) -> list[Figure]:
    """Return the charts of a dimension from the records with a value, at least one."""
    measured = [column for column in columns if column.measured(dimension) is not None]
    names = [column.short for column in columns]
    drawn = _DRAW[dimension](measured, names) if dimension in _DRAW else ()
    return [figure for figure in (*drawn, _slices(dimension, measured, names)) if figure is not None]


def _slices(dimension: str, columns: FigureColumns, names: Names) -> Figure | None:
    """Return the chart of the worst slices; None without slices."""
    measured = [row for column in columns if (row := column.measured(dimension)) is not None]
    parts = dict.fromkeys(name for row in measured for name in row.slice_values)
    rows = _points(columns, {name: (dimension, name_on_slices("", name)) for name in parts})
    sign = 1 if measured[0].better == "high" else -1
    worst = nsmallest(
        MOST_ROWS, rows, key=lambda part: min(sign * quantity.value for quantity in rows[part].values())
    )
    caption = f"Value on each slice of the images, the worst {len(worst)} of {len(rows):,} first."
    return bars(caption, "slice", {part: rows[part] for part in worst}, names)


def _strips(kind: str, caption: str, rows: Callable[[FigureColumns], CurvePoints]) -> Draw:
    """Return the function that draws a strip for each row."""
    return lambda columns, names: [bars(caption, kind, rows(columns), names)]


def _listing(
    caption: str, source: tuple[str, str], headings: tuple[str, ...], format_number: Callable[[float], str]
) -> Draw:
    """Return the function that shows a table of each record, its last column by `format_number`."""

    def draw(columns: FigureColumns, names: Names) -> Iterator[Figure]:
        for column in columns:
            cells = column.table_rows(*source, *headings)
            rows = [(*map(str, row[:-1]), format_number(tables.number_of(row[-1]) or 0.0)) for row in cells]
            if rows:
                yield Figure(caption.format(_of(column, names)), headings=headings, rows=(*rows,))

    return draw


def _corruptions(columns: FigureColumns, names: Names) -> Iterator[Figure | None]:
    cells = {column: rows for column in columns if (rows := tables.severities(column))}
    meaning = ": accuracy divided by clean accuracy, 1 is no loss. Cells that stand out lose more."
    for column, rows in cells.items():
        caption = f"Relative accuracy{_of(column, names)} by corruption and severity{meaning}"
        yield heatmap(caption, ("severity", *map(str, range(1, 6))), rows)
        meaning = "."  # of further records
    if len(names) > 1:
        sources = {name: ("corruption_robustness", name) for rows in cells.values() for name in rows}
        caption = "Relative accuracy under each corruption, all severities."
        yield bars(caption, "corruption", _points(columns, sources), names)


def _shifts(columns: FigureColumns) -> CurvePoints:
    """Return the values on each set; other parts are only reported."""
    parts = (part for column in columns for part in column.parts("ood_robustness").items())
    names = (name for name, part in parts if part.better and not part.requested)
    return _points(columns, {name: ("ood_robustness", name) for name in names})


def _calibration(columns: FigureColumns, names: Names) -> Iterator[Figure]:
    bins = _tables(columns, tables.reliability)
    scaled = _tables(columns, partial(tables.reliability, name="reliability_scaled"))
    if not bins:
        return
    curves, dashed = (
        {series: [row[1:] for row in rows] for series, rows in each.items()} for each in (bins, scaled)
    )
    marks = {
        series: [(counted(n, "image"), x, y, 2 + 4 * math.sqrt(n / max(rows)[0])) for n, x, y in rows]
        for series, rows in bins.items()
    }
    caption = (
        "Accuracy by confidence, in bins of equal width; a calibrated model is on the diagonal. "
        "Larger marks stand for more images."
    )
    fits = grouped(
        (fit[3], f"T = {fit[0]:.2f}{_of(column, names)}, ECE {fit[1]:.4f} → {fit[2]:.4f}")
        for column in columns
        if (fit := tables.temperature(column)) is not None
    )
    for how, texts in fits.items():
        caption += f" Dashed: after temperature scaling with {'; '.join(texts)}; {how}."
    axes = ("confidence", "accuracy")
    title = "Reliability diagram"
    yield curves_figure(caption, axes, curves, marks, names, dashed=dashed, title=title)


def _classes(columns: FigureColumns, names: Names) -> Iterator[Figure]:
    rows = {
        series: sorted(classes, key=lambda row: row[2].value)
        for series, classes in _tables(columns, tables.classes).items()
    }
    title = "Accuracy of each class"
    has_others = max(map(len, rows.values()), default=0) > WORST_CLASSES
    if has_others:
        curves = {}
        marks = {}
        for series, classes in rows.items():
            values = [row[2].value for row in classes]
            steps = range(0, len(values), -(-len(values) // MOST_POINTS))
            curves[series] = [(k / len(values), values[k]) for k in steps]
            marks[series] = [("lowest", 0.0, values[0], 6.0), ("median", 0.5, median(values), 6.0)]
        axes = ("share of the classes", "accuracy")
        caption = f"{title}, sorted: from the worst to the best."
        yield curves_figure(caption, axes, curves, marks, names, title=f"{title}, sorted")
    scale = round_scale([])
    for column in columns:
        worst = rows.get(column.number, [])[:WORST_CLASSES]
        which = f"The {len(worst)} classes with the lowest accuracy" if has_others else title
        cells = []
        for name, images, point, sureness in worst:
            chart = points_chart(name, {column.number: point}, scale, [column.short])
            probability = "–" if sureness is None else f"{sureness:.3f}"
            cells.append((name, chart, f"{point.text} ({images:,})", probability))
        if worst:
            caption = f"{which}{_of(column, names)}, and the mean probability of the true class (p)"
            headings = ("class", axis(scale), "accuracy (n)", "p")
            yield Figure(caption, headings=headings, rows=(*cells,), kind="strips")


def _single_classes(columns: FigureColumns, names: Names) -> Iterator[Figure | None]:
    for column in columns:
        yield from _confusions(column, _of(column, names), is_explained=column is columns[0])
    for rate, of_what in (("recall", "images"), ("precision", "answers")):
        rows = _by_name(_tables(columns, partial(tables.rates, rate=rate)))
        points = {name: {k: point for k, (_, point) in row.items()} for name, row in rows.items()}
        caption = f"{rate.capitalize()} of each class: share of its {of_what} that is right."
        yield bars(caption, "class", points, names)
    yield from _roc(columns, names)


def _confusions(column: Column, of: str, *, is_explained: bool) -> Iterator[Figure]:
    """Yield the confusion matrix of a record with few classes, and its largest cells."""
    confused = tables.confusions(column)
    recalls = tables.rates(column, "recall")
    known = dict.fromkeys([*recalls, *(name for row in confused for name in row[:2])])
    if confused and len(known) <= MOST_IN_MATRIX:
        legend = (
            "a row for each class, a column for each answer. Right answers are on the diagonal. Other cells "
            "stand out by their share of the class, which is"
        )
        meaning = legend if is_explained else "the share of the class is"
        caption = f"Confusion matrix{of}: {meaning} at most {100 * max(row[3] for row in confused):.1f} %."
        hits = {name: round(images * point.value) for name, (images, point) in recalls.items()}
        cells = {(label, answer): (n, share) for label, answer, n, share in confused}
        yield matrix(caption, "class", [*known], hits, cells)
    largest = [(*row[:2], f"{row[2]:,}", f"{100 * row[3]:.1f} %") for row in confused[:WORST_CLASSES]]
    if largest:
        headings = ("class", "called", "images", "share of the class")
        yield Figure(f"The largest confusions{of}", headings=headings, rows=(*largest,))


def _roc(columns: FigureColumns, names: Names) -> Iterator[Figure]:
    """Yield the ROC curve of each class that has one, with its operating points."""
    measured = [row for column in columns if (row := column.measured("classes")) is not None]
    stored = dict.fromkeys(name for row in measured for name in row.tables if name.startswith(ROC))
    for name in list(stored)[:MOST_CURVES]:
        target = name.removeprefix(ROC)
        read = partial(tables.points, dimension="classes", name=name, x="false_positive_rate", y="recall")
        marks = _tables(columns, partial(tables.operating_points, target=target))
        axes = ("false positive rate", "recall")
        title = f"ROC of {target}"
        caption = f"{title}: its recall by the share of other images that are called so."
        yield curves_figure(caption, axes, _tables(columns, read), marks, names, title=title)


def _answers(columns: FigureColumns, names: Names) -> Iterator[Figure]:
    read = partial(tables.points, dimension="answers", name="risk_coverage", x="share", y="error")
    curves = _tables(columns, read)
    marks = _tables(columns, tables.answer_thresholds)
    if curves:
        axes = ("share of answered images", "error")
        title = "Risk and coverage"
        caption = f"{title}: error of the answered images by their share, the surest first."
        yield curves_figure(caption, axes, curves, marks, names, title=title)


def _tables(columns: FigureColumns, read: Callable[[Column], T]) -> dict[int, T]:
    """Return a table of each record that has it, by number of the record."""
    return {column.number: table for column in columns if (table := read(column))}


def _by_name(by_record: Mapping[int, Mapping[str, T]]) -> dict[str, dict[int, T]]:
    """Return the items of each name, by number of the record."""
    names = dict.fromkeys(name for items in by_record.values() for name in items)
    return {name: {k: items[name] for k, items in by_record.items() if name in items} for name in names}


def _of(column: Column, names: Names) -> str:
    """Return the name of a record after `of`; empty for a single one."""
    return f" of {column.short}" if len(names) > 1 else ""


def _points(columns: FigureColumns, sources: Mapping[str, tuple[str, str | None]]) -> CurvePoints:
    """Return the known values of some dimensions and parts."""
    return {
        name: {column.number: point for column in columns if (point := column.point(*source)) is not None}
        for name, source in sources.items()
    }


_ATTACKS = {
    "clean images": ("accuracy", None),
    "FGSM": ("adversarial_robustness", "fgsm_accuracy"),
    "PGD": ("adversarial_robustness", "pgd_accuracy"),
}
_BACKGROUNDS = {"same class": ("object_focus", "mixed_same"), "random class": ("object_focus", "mixed_rand")}
_DRAW: Mapping[str, Draw] = {
    "adversarial_robustness": _strips(
        "attack",
        "Accuracy on clean images and under two attacks that move no pixel by more than 8/255.",
        partial(_points, sources=_ATTACKS),
    ),
    "corruption_robustness": _corruptions,
    "ood_robustness": _strips(
        "set", "Accuracy on each set divided by the clean accuracy; 1 is no loss.", _shifts
    ),
    "calibration_error": _calibration,
    "class_balance": _classes,
    "classes": _single_classes,
    "answers": _answers,
    "object_focus": _strips(
        "background",
        "Accuracy on objects before a background of the same and of a random class. The gap is what the "
        "model takes from the background.",
        partial(_points, sources=_BACKGROUNDS),
    ),
    "parity": _listing(
        "Answers that one step of a pipeline alone changes{}",
        ("parity", "steps"),
        ("pipeline", "step", "images", "share"),
        lambda share: f"{100 * share:.1f} %",
    ),
    "shape_bias": _strips(
        "category",
        "Share decided by shape, of the images decided by shape or texture, by category of the shape.",
        lambda columns: _by_name(_tables(columns, tables.shape_shares)),
    ),
    "unknown_detection": _listing(
        "The most confident unknown images{}. A known class among them is a sign that the set leaks.",
        ("unknown_detection", "most_confident"),
        ("set", "image", "predicted", "probability"),
        "{:.3f}".format,
    ),
}
"""The charts of each dimension."""


def parts_rows(columns: FigureColumns, dimension: str) -> Iterator[tuple[str, ...]]:
    """Yield the parts of a dimension: name, then value with interval for each record."""
    names = list(dict.fromkeys(name for column in columns for name in column.parts(dimension)))
    for name in names[:MOST_PARTS]:
        points = (column.point(dimension, name) for column in columns)
        yield (name, *("–" if point is None else point.words for point in points))
    if len(names) > MOST_PARTS:
        yield (f"{len(names) - MOST_PARTS:,} more in the record", *("" for _ in columns))
