"""The charts of each dimension."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from quba_check.core.measurement import SLICES
from quba_check.page import tables
from quba_check.page.columns import Column
from quba_check.page.confusion import confusion_matrix
from quba_check.page.drawing import Chart
from quba_check.page.heatmap import heatmap
from quba_check.page.plots import Point, class_curve, curves_chart, dot_plot, reliability_diagram

T = TypeVar("T")
WORST_CLASSES = 10
"""Number of classes in the table of the worst ones."""
MOST_ROWS = 24
"""Largest number of rows in a chart; the rows with the lowest values are drawn."""
MOST_PARTS = 100
"""Largest number of parts in a table."""
MOST_IN_MATRIX = 50
"""Largest number of classes in a confusion matrix."""
ROC, MOST_CURVES = "roc.", 12
"""Prefix of the tables with ROC curves, and the largest number of their charts."""
UNKNOWN_NOTE = "A known class among them is a sign that the set leaks."


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart or a small table with a caption.

    Attributes:
        caption: meaning of marks and numbers.
        chart: the chart; None for a table or a missing chart.
        headings: headings of the table; empty without one.
        rows: cells of the table.
    """

    caption: str
    chart: Chart | None = None
    headings: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def figures(dimension: str, columns: Sequence[Column]) -> list[Figure]:
    """Return the charts of a dimension, of the records that have a value of it."""
    measured = [column for column in columns if column.measured(dimension) is not None]
    draw = _DRAW.get(dimension)
    names = [column.short for column in columns]
    drawn = list(draw(measured, names)) if draw and measured else []
    return [*drawn, *_slices(dimension, measured, names)]


def _slices(dimension: str, columns: Sequence[Column], names: Sequence[str]) -> Iterator[Figure]:
    """Yield the chart of the worst slices, if a record has any."""
    measured = [row for column in columns if (row := column.measured(dimension)) is not None]
    parts = dict.fromkeys(f"{SLICES}{name}" for row in measured for name in row.slices)
    rows = {part: _points(columns, dimension, part) for part in parts}
    sign = 1 if measured and measured[0].better == "high" else -1
    worst = sorted(rows, key=lambda part: min(sign * point.value for point in rows[part].values()))[
        :MOST_ROWS
    ]
    if worst:
        drawn = {part.removeprefix(SLICES): rows[part] for part in worst}
        caption = f"Value on each slice of the images, the worst {len(worst)} of {len(rows):,} first."
        yield Figure(caption, dot_plot("Slices", drawn, names=names))


def _attacks(columns: Sequence[Column], names: Sequence[str]) -> Iterator[Figure]:
    parts = {"FGSM": "fgsm_accuracy", "PGD": "pgd_accuracy"}
    rows = {"clean images": _points(columns, "accuracy", None)}
    rows |= {name: _points(columns, "adversarial_robustness", part) for name, part in parts.items()}
    caption = "Accuracy on clean images and under two attacks that move no pixel by more than 8/255."
    yield Figure(caption, dot_plot("Accuracy under attack", rows, names=names))


def _corruptions(columns: Sequence[Column], names: Sequence[str]) -> Iterator[Figure]:
    cells = _tables(columns, tables.severities)
    yield from _missing("The heatmap of severities", columns, cells)
    for column in columns:
        if column.number in cells:
            title = f"Relative accuracy{_of(column, names)} by corruption and severity"
            caption = (
                f"{title}: accuracy divided by clean accuracy, 1 is no loss. Cells that stand out lose more."
            )
            severities = [str(severity) for severity in range(1, 6)]
            yield Figure(caption, heatmap(title, severities, cells[column.number]))
    if len(names) > 1 and cells:
        kinds = dict.fromkeys(name for of_record in cells.values() for name in of_record)
        rows = {kind: _points(columns, "corruption_robustness", kind) for kind in kinds}
        caption = "Relative accuracy under each corruption, all severities."
        yield Figure(caption, dot_plot("Corruptions", rows, names=names))


def _shifts(columns: Sequence[Column], names: Sequence[str]) -> Iterator[Figure]:
    sets = dict.fromkeys(
        name
        for column in columns
        for name, part in column.parts("ood_robustness").items()
        if part.better is not None
    )
    rows = {name: _points(columns, "ood_robustness", name) for name in sets}
    lowest, note = _lowest(rows, "sets")
    caption = f"Accuracy on each set divided by the clean accuracy, with its interval; 1 is no loss.{note}"
    yield Figure(caption, dot_plot("Relative accuracy by set", lowest, names=names))


def _calibration(columns: Sequence[Column], names: Sequence[str]) -> Iterator[Figure]:
    bins = _tables(columns, tables.reliability)
    scaled = _tables(columns, lambda column: tables.reliability(column, "reliability_scaled"))
    yield from _missing("The reliability diagram", columns, bins)
    if not bins:
        return
    caption = (
        "Accuracy by confidence, in bins of equal width; a calibrated model is on the diagonal. "
        "Bars count the images of each bin."
    )
    for column in columns:
        if (fit := tables.temperature(column)) is not None:
            caption += (
                f" Dashed{_of(column, names)}: after temperature scaling with T = {fit[0]:.2f}, "
                f"ECE {fit[1]:.4f} → {fit[2]:.4f}; {fit[3]}."
            )
    yield Figure(caption, reliability_diagram(bins, scaled, names))


def _classes(columns: Sequence[Column], names: Sequence[str]) -> Iterator[Figure]:
    rows = _tables(columns, tables.classes)
    yield from _missing("The chart of single classes", columns, rows)
    accuracies = {series: [row[2] for row in of_record] for series, of_record in rows.items()}
    if rows:
        caption = "Accuracy of each class, sorted from the worst to the best."
        yield Figure(caption, class_curve(accuracies, names))
    for column in columns:
        if worst := sorted(rows.get(column.number, ()), key=lambda row: row[2])[:WORST_CLASSES]:
            yield Figure(
                caption=f"The {len(worst)} classes{_of(column, names)} with the lowest accuracy",
                headings=("class", "images", "accuracy", "mean probability of the true class"),
                rows=tuple(
                    (name, f"{images:,}", f"{accuracy:.3f}", "–" if sureness is None else f"{sureness:.3f}")
                    for name, images, accuracy, sureness in worst
                ),
            )


def _focus(columns: Sequence[Column], names: Sequence[str]) -> Iterator[Figure]:
    parts = {"same class": "mixed_same", "random class": "mixed_rand"}
    rows = {name: _points(columns, "object_focus", part) for name, part in parts.items()}
    caption = (
        "Accuracy on objects before a background of the same and of a random class. The gap is what the "
        "model takes from the background."
    )
    yield Figure(caption, dot_plot("Accuracy by background", rows, names=names))


def _shape(columns: Sequence[Column], names: Sequence[str]) -> Iterator[Figure]:
    by_record = _tables(columns, tables.shape_shares)
    yield from _missing("The chart of categories", columns, by_record)
    if by_record:
        caption = (
            "Share decided by shape, of the images decided by shape or texture, by category of the shape."
        )
        lowest, note = _lowest(_by_name(by_record), "categories")
        yield Figure(f"{caption}{note}", dot_plot("Shape bias by category", lowest, names=names))


def _unknown(columns: Sequence[Column], names: Sequence[str]) -> Iterator[Figure]:
    headings = ("set", "image", "predicted", "probability")
    for column in columns:
        rows = [
            (*(str(row[name]) for name in headings[:3]), f"{tables.number_of(row['probability']) or 0:.3f}")
            for row in tables.table_of(column, "unknown_detection", "most_confident", headings)
        ]
        if rows:
            which = f"The most confident unknown images{_of(column, names)}"
            yield Figure(f"{which}. {UNKNOWN_NOTE}", headings=headings, rows=tuple(rows))


def _steps(columns: Sequence[Column], names: Sequence[str]) -> Iterator[Figure]:
    headings = ("pipeline", "step", "images", "share")
    for column in columns:
        rows = [
            (
                *(str(row[name]) for name in headings[:3]),
                f"{100 * (tables.number_of(row['share']) or 0):.1f} %",
            )
            for row in tables.table_of(column, "serving", "steps", headings)
        ]
        if rows:
            which = f"Answers that one step of a pipeline alone changes{_of(column, names)}"
            yield Figure(which, headings=headings, rows=tuple(rows))


def _single_classes(columns: Sequence[Column], names: Sequence[str]) -> Iterator[Figure]:
    for column in columns:
        yield from _confusions(column, _of(column, names))
    for rate, of_what in (("recall", "images"), ("precision", "answers")):
        rates = {column.number: tables.rates(column, rate) for column in columns}
        points = {
            series: {name: point for name, (_, point) in rows.items()} for series, rows in rates.items()
        }
        if rows := _by_name(points):
            lowest, note = _lowest(rows, "classes")
            title = f"{rate.capitalize()} of each class"
            caption = f"{title}: share of its {of_what} that is right, with its interval.{note}"
            yield Figure(caption, dot_plot(title, lowest, names=names))
    yield from _roc(columns, names)


def _confusions(column: Column, of: str) -> Iterator[Figure]:
    """Yield the confusion matrix of a record with few classes, and its largest cells."""
    confused, recalls = tables.confusions(column), tables.rates(column, "recall")
    known = dict.fromkeys([*recalls, *(name for row in confused for name in row[:2])])
    if confused and len(known) <= MOST_IN_MATRIX:
        places = {name: place for place, name in enumerate(known)}
        hits = {places[name]: round(images * point.value) for name, (images, point) in recalls.items()}
        cells = {(places[row[0]], places[row[1]]): row[2:] for row in confused}
        highest = max(share for _, share in cells.values())
        caption = (
            f"Confusion matrix{of}: a row for each class, a column for each answer. Right answers are on "
            "the diagonal. Other cells stand out by their share of the class, which is at most "
            f"{100 * highest:.1f} %."
        )
        yield Figure(caption, confusion_matrix(f"Confusion matrix{of}", [*known], hits, cells))
    largest = confused[:WORST_CLASSES]
    if largest:
        yield Figure(
            caption=f"The {len(largest)} largest confusions{of}",
            headings=("class", "called", "images", "share of the class"),
            rows=tuple(
                (label, answer, f"{n:,}", f"{100 * share:.1f} %") for label, answer, n, share in largest
            ),
        )


def _roc(columns: Sequence[Column], names: Sequence[str]) -> Iterator[Figure]:
    """Yield the ROC curve of each class that has one, with its operating points."""
    measured = [row for column in columns if (row := column.measured("classes")) is not None]
    stored = dict.fromkeys(name for row in measured for name in row.tables if name.startswith(ROC))
    for name in list(stored)[:MOST_CURVES]:
        target = name.removeprefix(ROC)
        read = partial(tables.points, dimension="classes", name=name, x="false_positive_rate", y="recall")
        marks = _tables(columns, partial(tables.operating_points, target=target))
        chart = curves_chart(
            f"ROC of {target}", ("false positive rate", "recall"), _tables(columns, read), marks, names
        )
        caption = f"ROC of {target}: its recall by the share of other images that are called so."
        yield Figure(f"{caption} Marked: {chart.description}." if marks else caption, chart)


def _answers(columns: Sequence[Column], names: Sequence[str]) -> Iterator[Figure]:
    read = partial(tables.points, dimension="answers", name="risk_coverage", x="share", y="error")
    curves, marks = _tables(columns, read), _tables(columns, tables.answer_thresholds)
    if curves:
        axes = ("share of answered images", "error")
        chart = curves_chart("Risk and coverage", axes, curves, marks, names)
        caption = "Risk and coverage: error of the answered images by their share, the surest first."
        yield Figure(f"{caption} Marked: {chart.description}." if marks else caption, chart)


_DRAW: Mapping[str, Callable[[Sequence[Column], Sequence[str]], Iterator[Figure]]] = {
    "adversarial_robustness": _attacks,
    "corruption_robustness": _corruptions,
    "ood_robustness": _shifts,
    "calibration_error": _calibration,
    "class_balance": _classes,
    "classes": _single_classes,
    "answers": _answers,
    "object_focus": _focus,
    "serving": _steps,
    "shape_bias": _shape,
    "unknown_detection": _unknown,
}


def _tables(columns: Sequence[Column], read: Callable[[Column], T]) -> dict[int, T]:
    """Return a table of each record that has it, by number of the record."""
    return {column.number: table for column in columns if (table := read(column))}


def _by_name(by_record: Mapping[int, Mapping[str, Point]]) -> dict[str, dict[int, Point]]:
    """Return the points of each name, by number of the record."""
    names = dict.fromkeys(name for points in by_record.values() for name in points)
    return {name: {k: points[name] for k, points in by_record.items() if name in points} for name in names}


def _missing(what: str, columns: Sequence[Column], known: Collection[int]) -> Iterator[Figure]:
    """Yield a sentence for each record without a table."""
    for column in columns:
        if column.number not in known:
            reason = f"the record of {column.short} stores no such table. Run the gate again."
            yield Figure(f"{what} is missing: {reason}")


def _of(column: Column, names: Sequence[str]) -> str:
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


def _lowest(rows: Mapping[str, Mapping[int, Point]], kind: str) -> tuple[dict[str, Mapping[int, Point]], str]:
    """Return the rows with the lowest values, and a note on the others."""
    if len(rows) <= MOST_ROWS:
        return dict(rows), ""
    order = sorted(rows, key=lambda name: min(point.value for point in rows[name].values()))
    drawn = {name: row for name, row in rows.items() if name in order[:MOST_ROWS]}
    return drawn, f" The lowest {MOST_ROWS} of {len(rows):,} {kind}."


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
