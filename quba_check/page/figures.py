"""The charts of each dimension."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from statistics import median
from typing import TypeVar

from quba_check.core.request import SLICES
from quba_check.page import tables
from quba_check.page.columns import Column
from quba_check.page.figure import MOST_ROWS, Curve, Figure, Marked, bars, curves_chart, heatmap, matrix
from quba_check.page.strips import Point, axis, points_chart, round_scale

T = TypeVar("T")
Names = Sequence[str]
WORST_CLASSES = 10
"""Number of classes in the table of the worst ones."""
MOST_POINTS = 200
"""Largest number of points of a curve over classes."""
MOST_PARTS = 100
"""Largest number of parts in a table."""
MOST_IN_MATRIX = 50
"""Largest number of classes in a confusion matrix."""
ROC, MOST_CURVES = "roc.", 12
"""Prefix of the tables with ROC curves, and the largest number of their charts."""
UNKNOWN_NOTE = "A known class among them is a sign that the set leaks."


def figures(dimension: str, columns: Sequence[Column]) -> list[Figure]:
    """Return the charts of a dimension, of the records that have a value of it."""
    measured = [column for column in columns if column.measured(dimension) is not None]
    names = [column.short for column in columns]
    drawn = _DRAW[dimension](measured, names) if dimension in _DRAW and measured else ()
    return [figure for figure in (*drawn, _slices(dimension, measured, names)) if figure is not None]


def _slices(dimension: str, columns: Sequence[Column], names: Names) -> Figure | None:
    """Return the chart of the worst slices; None without slices."""
    measured = [row for column in columns if (row := column.measured(dimension)) is not None]
    parts = dict.fromkeys(f"{SLICES}{name}" for row in measured for name in row.slices)
    rows = {part: _points(columns, dimension, part) for part in parts}
    sign = 1 if measured and measured[0].better == "high" else -1
    worst = sorted(rows, key=lambda part: min(sign * point.value for point in rows[part].values()))
    drawn = {part.removeprefix(SLICES): rows[part] for part in worst[:MOST_ROWS]}
    caption = f"Value on each slice of the images, the worst {len(drawn)} of {len(rows):,} first."
    return bars(caption, "slice", drawn, names)


def _values(
    columns: Sequence[Column],
    names: Names,
    *,
    kind: str,
    rows: Mapping[str, tuple[str, str | None]],
    caption: str,
) -> Iterator[Figure | None]:
    """Yield the chart of some dimensions and parts, by the name of the row."""
    yield bars(caption, kind, {name: _points(columns, *source) for name, source in rows.items()}, names)


def _corruptions(columns: Sequence[Column], names: Names) -> Iterator[Figure | None]:
    cells = {column: rows for column in columns if (rows := tables.severities(column))}
    headings = ("severity", *map(str, range(1, 6)))
    for column, rows in cells.items():
        caption = (
            f"Relative accuracy{_of(column, names)} by corruption and severity: accuracy divided by clean "
            "accuracy, 1 is no loss. Cells that stand out lose more."
        )
        yield heatmap(caption, headings, rows)
    if len(names) > 1:
        kinds = dict.fromkeys(name for of_record in cells.values() for name in of_record)
        shown = {kind: _points(columns, "corruption_robustness", kind) for kind in kinds}
        yield bars("Relative accuracy under each corruption, all severities.", "corruption", shown, names)


def _shifts(columns: Sequence[Column], names: Names) -> Iterator[Figure | None]:
    sets = dict.fromkeys(
        name
        for column in columns
        for name, part in column.parts("ood_robustness").items()
        if part.better is not None
    )
    rows = {name: _points(columns, "ood_robustness", name) for name in sets}
    yield bars("Accuracy on each set divided by the clean accuracy; 1 is no loss.", "set", rows, names)


def _calibration(columns: Sequence[Column], names: Names) -> Iterator[Figure]:
    bins = _tables(columns, tables.reliability)
    scaled = _tables(columns, lambda column: tables.reliability(column, "reliability_scaled"))
    if not bins:
        return
    curves, dashed = (
        {series: [row[1:] for row in rows] for series, rows in each.items()} for each in (bins, scaled)
    )
    marks = {
        series: [(f"{row[0]:,} images", *row[1:], 2 + 4 * math.sqrt(row[0] / max(rows)[0])) for row in rows]
        for series, rows in bins.items()
    }
    caption = (
        "Accuracy by confidence, in bins of equal width; a calibrated model is on the diagonal. "
        "Larger marks stand for more images."
    )
    for column in columns:
        if (fit := tables.temperature(column)) is not None:
            caption += (
                f" Dashed{_of(column, names)}: after temperature scaling with T = {fit[0]:.2f}, "
                f"ECE {fit[1]:.4f} → {fit[2]:.4f}; {fit[3]}."
            )
    axes = ("confidence", "accuracy")
    yield Figure(caption, curves_chart("Reliability diagram", axes, curves, marks, names, dashed))


def _classes(columns: Sequence[Column], names: Names) -> Iterator[Figure]:
    rows = _tables(columns, tables.classes)
    has_others = max(map(len, rows.values()), default=0) > WORST_CLASSES
    if has_others:
        sorted_rows = {series: sorted(row[2].value for row in classes) for series, classes in rows.items()}
        curves = {
            series: [
                (k / len(values), values[k]) for k in range(0, len(values), -(-len(values) // MOST_POINTS))
            ]
            for series, values in sorted_rows.items()
        }
        marks = {
            series: [("lowest", 0.0, values[0], 6.0), ("median", 0.5, median(values), 6.0)]
            for series, values in sorted_rows.items()
        }
        caption = "Accuracy of each class, sorted: from the worst to the best."
        yield _curves(caption, ("share of the classes", "accuracy"), curves, marks, names)
    scale = round_scale([])
    for column in columns:
        if worst := sorted(rows.get(column.number, ()), key=lambda row: row[2].value)[:WORST_CLASSES]:
            yield Figure(
                caption=(
                    f"The {len(worst)} classes with the lowest accuracy"
                    if has_others
                    else "Accuracy of each class"
                )
                + f"{_of(column, names)}, and the mean probability of the true class (p)",
                headings=("class", axis(scale), "accuracy (n)", "p"),
                rows=tuple(
                    (
                        name,
                        points_chart(name, {column.number: point}, scale, [column.short]),
                        f"{point.text} ({images:,})",
                        "–" if sureness is None else f"{sureness:.3f}",
                    )
                    for name, images, point, sureness in worst
                ),
                kind="strips",
            )


def _shape(columns: Sequence[Column], names: Names) -> Iterator[Figure | None]:
    caption = "Share decided by shape, of the images decided by shape or texture, by category of the shape."
    yield bars(caption, "category", _by_name(_tables(columns, tables.shape_shares)), names)


def _listing(
    columns: Sequence[Column],
    names: Names,
    *,
    source: tuple[str, str],
    headings: Sequence[str],
    shown: Callable[[float], str],
    caption: str,
) -> Iterator[Figure]:
    """Yield the rows of a record's table, the last column as `shown`."""
    for column in columns:
        rows = [
            (*map(str, cells[:-1]), shown(tables.number_of(cells[-1]) or 0.0))
            for cells in column.table_rows(*source, *headings)
        ]
        if rows:
            yield Figure(caption.format(_of(column, names)), headings=(*headings,), rows=(*rows,))


def _single_classes(columns: Sequence[Column], names: Names) -> Iterator[Figure | None]:
    for column in columns:
        yield from _confusions(column, _of(column, names))
    for rate, of_what in (("recall", "images"), ("precision", "answers")):
        rates = {column.number: tables.rates(column, rate) for column in columns}
        points = {
            series: {name: point for name, (_, point) in rows.items()} for series, rows in rates.items()
        }
        caption = f"{rate.capitalize()} of each class: share of its {of_what} that is right."
        yield bars(caption, "class", _by_name(points), names)
    yield from _roc(columns, names)


def _confusions(column: Column, of: str) -> Iterator[Figure]:
    """Yield the confusion matrix of a record with few classes, and its largest cells."""
    confused, recalls = tables.confusions(column), tables.rates(column, "recall")
    known = dict.fromkeys([*recalls, *(name for row in confused for name in row[:2])])
    if confused and len(known) <= MOST_IN_MATRIX:
        highest = max(row[3] for row in confused)
        caption = (
            f"Confusion matrix{of}: a row for each class, a column for each answer. Right answers are on "
            "the diagonal. Other cells stand out by their share of the class, which is at most "
            f"{100 * highest:.1f} %."
        )
        hits = {name: round(images * point.value) for name, (images, point) in recalls.items()}
        cells = {(label, answer): (n, share) for label, answer, n, share in confused}
        yield matrix(caption, "class", [*known], hits, cells)
    largest = confused[:WORST_CLASSES]
    if largest:
        yield Figure(
            caption=f"The {len(largest)} largest confusions{of}",
            headings=("class", "called", "images", "share of the class"),
            rows=tuple(
                (label, answer, f"{n:,}", f"{100 * share:.1f} %") for label, answer, n, share in largest
            ),
        )


def _roc(columns: Sequence[Column], names: Names) -> Iterator[Figure]:
    """Yield the ROC curve of each class that has one, with its operating points."""
    measured = [row for column in columns if (row := column.measured("classes")) is not None]
    stored = dict.fromkeys(name for row in measured for name in row.tables if name.startswith(ROC))
    for name in list(stored)[:MOST_CURVES]:
        target = name.removeprefix(ROC)
        read = partial(tables.points, dimension="classes", name=name, x="false_positive_rate", y="recall")
        marks = _tables(columns, partial(tables.operating_points, target=target))
        caption = f"ROC of {target}: its recall by the share of other images that are called so."
        yield _curves(caption, ("false positive rate", "recall"), _tables(columns, read), marks, names)


def _answers(columns: Sequence[Column], names: Names) -> Iterator[Figure]:
    read = partial(tables.points, dimension="answers", name="risk_coverage", x="share", y="error")
    curves, marks = _tables(columns, read), _tables(columns, tables.answer_thresholds)
    if curves:
        caption = "Risk and coverage: error of the answered images by their share, the surest first."
        yield _curves(caption, ("share of answered images", "error"), curves, marks, names)


def _curves(
    caption: str,
    axes: tuple[str, str],
    curves: Mapping[int, Curve],
    marks: Mapping[int, Sequence[Marked]],
    names: Names,
) -> Figure:
    chart = curves_chart(caption.partition(":")[0], axes, curves, marks, names)
    return Figure(f"{caption} Marked: {chart.description}." if marks else caption, chart)


_DRAW: Mapping[str, Callable[[Sequence[Column], Names], Iterator[Figure | None]]] = {
    "adversarial_robustness": partial(
        _values,
        kind="attack",
        rows={
            "clean images": ("accuracy", None),
            "FGSM": ("adversarial_robustness", "fgsm_accuracy"),
            "PGD": ("adversarial_robustness", "pgd_accuracy"),
        },
        caption="Accuracy on clean images and under two attacks that move no pixel by more than 8/255.",
    ),
    "corruption_robustness": _corruptions,
    "ood_robustness": _shifts,
    "calibration_error": _calibration,
    "class_balance": _classes,
    "classes": _single_classes,
    "answers": _answers,
    "object_focus": partial(
        _values,
        kind="background",
        rows={"same class": ("object_focus", "mixed_same"), "random class": ("object_focus", "mixed_rand")},
        caption="Accuracy on objects before a background of the same and of a random class. The gap is what "
        "the model takes from the background.",
    ),
    "serving": partial(
        _listing,
        source=("serving", "steps"),
        headings=("pipeline", "step", "images", "share"),
        shown=lambda share: f"{100 * share:.1f} %",
        caption="Answers that one step of a pipeline alone changes{}",
    ),
    "shape_bias": _shape,
    "unknown_detection": partial(
        _listing,
        source=("unknown_detection", "most_confident"),
        headings=("set", "image", "predicted", "probability"),
        shown="{:.3f}".format,
        caption=f"The most confident unknown images{{}}. {UNKNOWN_NOTE}",
    ),
}


def _tables(columns: Sequence[Column], read: Callable[[Column], T]) -> dict[int, T]:
    """Return a table of each record that has it, by number of the record."""
    return {column.number: table for column in columns if (table := read(column))}


def _by_name(by_record: Mapping[int, Mapping[str, Point]]) -> dict[str, dict[int, Point]]:
    """Return the points of each name, by number of the record."""
    names = dict.fromkeys(name for points in by_record.values() for name in points)
    return {name: {k: points[name] for k, points in by_record.items() if name in points} for name in names}


def _of(column: Column, names: Names) -> str:
    """Return the name of a record after `of`; empty for a single one."""
    return f" of {column.short}" if len(names) > 1 else ""


def _points(columns: Sequence[Column], dimension: str, part: str | None) -> dict[int, Point]:
    """Return the known values of a dimension or part, by number of the record."""
    points = {}
    for column in columns:
        row = column.measured(dimension)
        quantity = None if row is None else row.quantity(part)
        if quantity is not None:
            points[column.number] = Point(quantity.value, quantity.interval, quantity.unit)
    return points


def parts_rows(columns: Sequence[Column], dimension: str) -> tuple[tuple[str, ...], ...]:
    """Return the parts of a dimension: name, then value with interval for each record."""
    names = dict.fromkeys(name for column in columns for name in column.parts(dimension))
    rows = []
    for name in list(names)[:MOST_PARTS]:
        points = _points(columns, dimension, name)
        cells = [points[column.number].words if column.number in points else "–" for column in columns]
        rows.append((name, *cells))
    if len(names) > MOST_PARTS:
        rows.append((f"{len(names) - MOST_PARTS:,} more in the record", *("" for _ in columns)))
    return tuple(rows)
