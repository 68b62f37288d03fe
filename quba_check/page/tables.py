"""Tables of records: older records lack them, custom dimensions have others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from quba_check.core.view import CLEAN_SET
from quba_check.page.columns import Column
from quba_check.page.plots import Marked
from quba_check.page.strips import Point
from quba_check.records.measurement import TableRow
from quba_check.stats.intervals import wilson_limits

_SCORES = np.array([-1.959964, 1.959964])
"""Normal scores of a two-sided 95 % interval."""


def table_of(
    column: Column, dimension: str, name: str, needed: Sequence[str]
) -> Iterator[Mapping[str, object]]:
    """Yield the rows of a table as mappings; none without table or column."""
    row = column.measured(dimension)
    table: TableRow | None = None if row is None else row.tables.get(name)
    if table is None or not set(needed) <= set(table.columns):
        return
    for cells in table.rows:
        yield dict(zip(table.columns, cells, strict=True))


def number_of(cell: object) -> float | None:
    """Return a cell as a finite number; None for other cells."""
    if isinstance(cell, bool) or not isinstance(cell, int | float) or not math.isfinite(cell):
        return None
    return float(cell)


def severities(column: Column) -> dict[str, list[float | None]]:
    """Return the relative accuracy of each corruption at the severities 1 to 5."""
    names = [str(severity) for severity in range(1, 6)]
    rows = table_of(column, "corruption_robustness", "severities", ["corruption", *names])
    return {str(row["corruption"]): [number_of(row[name]) for name in names] for row in rows}


def reliability(column: Column, name: str = "reliability") -> list[tuple[int, float, float]]:
    """Return number of images, mean confidence and accuracy of each bin of a reliability table."""
    needed = ("images", "confidence", "accuracy")
    bins = []
    for row in table_of(column, "calibration_error", name, needed):
        images, confidence, accuracy = (number_of(row[key]) for key in needed)
        if images is not None and confidence is not None and accuracy is not None:
            bins.append((int(images), confidence, accuracy))
    return bins


def temperature(column: Column) -> tuple[float, float, float, str] | None:
    """Return the fitted temperature, ECE before and after scaling, and a note; None if unknown."""
    needed = ("temperature", "ece", "ece_scaled")
    measured = column.measured("calibration_error")
    for row in table_of(column, "calibration_error", "temperature", needed):
        fitted, before, after = (number_of(row[key]) for key in needed)
        if measured and fitted is not None and before is not None and after is not None:
            return fitted, before, after, measured.tables["temperature"].note
    return None


def classes(column: Column) -> list[tuple[str, int, Point, float | None]]:
    """Return name, number of images, accuracy and mean true-class probability of each class."""
    needed = ("images", "accuracy", "true_probability")
    clean, rows = column.record.suite.sets.get(CLEAN_SET), []
    for row in table_of(column, "class_balance", "classes", ("class", *needed)):
        images, accuracy, sureness = (number_of(row[name]) for name in needed)
        if accuracy is not None:
            ends = None
            if images and (clean is None or clean.groups is None):  # images of a group are not independent
                low, high = wilson_limits(accuracy * images, images, _SCORES)
                ends = (float(low), float(high))
            rows.append((str(row["class"]), int(images or 0), Point(accuracy, ends), sureness))
    return rows


def confusions(column: Column) -> list[tuple[str, str, int, float]]:
    """Return label, answer, number of images and share of the label of each confusion."""
    needed = ("label", "predicted", "images", "share")
    return [
        (str(row["label"]), str(row["predicted"]), int(images), share)
        for row in table_of(column, "classes", "confusions", needed)
        if (images := number_of(row["images"])) and (share := number_of(row["share"]))
        if row["label"] != row["predicted"]
    ]


def points(column: Column, dimension: str, name: str, x: str, y: str) -> list[tuple[float, float]]:
    """Return the points of a curve from two columns of a table."""
    rows = table_of(column, dimension, name, (x, y))
    cells = ((number_of(row[x]), number_of(row[y])) for row in rows)
    return [(one, other) for one, other in cells if one is not None and other is not None]


def operating_points(column: Column, target: str) -> list[Marked]:
    """Return the operating points of a class's ROC curve."""
    needed = ("recall", "specificity", "threshold")
    marked = []
    for row in table_of(column, "classes", "operating_points", ("target", "set", "rule", *needed)):
        recall, specificity, threshold = (number_of(row[name]) for name in needed)
        suffix = "" if row["set"] == CLEAN_SET else f"@set={row['set']}"
        if f"{row['target']}{suffix}" == target and recall is not None and specificity is not None:
            rule = str(row["rule"])  # a rule by probability states its threshold
            if threshold is not None and not rule.startswith("probability"):
                rule += f", threshold {threshold:.4g}"
            marked.append((rule, 1 - specificity, recall, 6.0))
    return marked


def answer_thresholds(column: Column) -> list[Marked]:
    """Return share and error of the images that are answered at the demanded thresholds."""
    needed, marked = ("threshold", "answered", "wrong"), []
    total = 0 if (whole := column.measured("answers")) is None else whole.n
    for row in table_of(column, "answers", "thresholds", ("score", *needed)):
        threshold, answered, wrong = (number_of(row[name]) for name in needed)
        if total and answered and threshold is not None and wrong is not None:
            marked.append((f"{row['score']} from {threshold:.4g}", answered / total, wrong / answered, 6.0))
    return marked


def rates(column: Column, rate: str) -> dict[str, tuple[int, Point]]:
    """Return number of images and `recall` or `precision` of each class that has it."""
    needed = ("class", "images", rate, f"{rate}_low", f"{rate}_high")
    rows = {}
    for row in table_of(column, "classes", "classes", needed):
        images, value, low, high = (number_of(row[name]) for name in needed[1:])
        if value is not None:
            ends = None if low is None or high is None else (low, high)
            rows[str(row["class"])] = int(images or 0), Point(value, ends)
    return rows


def shape_shares(column: Column) -> dict[str, Point]:
    """Return the share decided by shape for each category of the cue-conflict images."""
    needed = ("shape_hits", "texture_hits")
    shares = {}
    for row in table_of(column, "shape_bias", "categories", ("category", *needed)):
        by_shape, by_texture = (number_of(row[key]) or 0.0 for key in needed)
        if by_shape + by_texture:
            shares[str(row["category"])] = Point(by_shape / (by_shape + by_texture))
    return shares
