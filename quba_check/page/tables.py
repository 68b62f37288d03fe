"""Tables of records: some runs lack them, and custom dimensions have others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from quba_check.core.view import CLEAN_SET
from quba_check.page.columns import Column
from quba_check.page.figure import Marked
from quba_check.page.strips import Point
from quba_check.stats.intervals import share_limits

_SCORES = np.array([-1.959964, 1.959964])
"""Normal scores of a two-sided 95 % interval."""


def complete_rows(
    column: Column, dimension: str, name: str, texts: Sequence[str], numbers: Sequence[str]
) -> Iterator[tuple[Any, ...]]:
    """Yield some columns of a table, without the rows that lack a number.

    Args:
        column: the record.
        dimension: the dimension.
        name: its table.
        texts: columns of text, which come first.
        numbers: columns of finite numbers.
    """
    for cells in column.table_rows(dimension, name, *texts, *numbers):
        values = [number_of(cell) for cell in cells[len(texts) :]]
        if None not in values:
            yield (*map(str, cells[: len(texts)]), *values)


def number_of(cell: object) -> float | None:
    """Return a cell as a finite number; None for other cells."""
    if isinstance(cell, bool) or not isinstance(cell, int | float) or not math.isfinite(cell):
        return None
    return float(cell)


def severities(column: Column) -> dict[str, list[float | None]]:
    """Return the relative accuracy of each corruption at the severities 1 to 5."""
    rows = column.table_rows("corruption_robustness", "severities", "corruption", *map(str, range(1, 6)))
    return {str(name): [number_of(cell) for cell in cells] for name, *cells in rows}


def reliability(column: Column, name: str = "reliability") -> list[tuple[int, float, float]]:
    """Return number of images, mean confidence and accuracy of each bin of a reliability table."""
    rows = complete_rows(column, "calibration_error", name, (), ("images", "confidence", "accuracy"))
    return [(int(images), confidence, accuracy) for images, confidence, accuracy in rows]


def temperature(column: Column) -> tuple[float, float, float, str] | None:
    """Return the fitted temperature, ECE before and after scaling, and a note; None if unknown."""
    numbers = ("temperature", "ece", "ece_scaled")
    row = column.measured("calibration_error")
    for fitted, before, after in complete_rows(column, "calibration_error", "temperature", (), numbers):
        return fitted, before, after, "" if row is None else row.tables["temperature"].note
    return None


def classes(column: Column) -> list[tuple[str, int, Point, float | None]]:
    """Return name, number of images, accuracy and mean true-class probability of each class."""
    clean = column.record.suite.sets.get(CLEAN_SET)
    rows = []
    columns = ("class", "images", "accuracy", "true_probability")
    for name, *cells in column.table_rows("class_balance", "classes", *columns):
        images, accuracy, sureness = map(number_of, cells)
        if accuracy is not None:
            ends = None
            if images and (clean is None or clean.groups is None):  # images of a group are not independent
                low, high = share_limits(accuracy * images, images, _SCORES)
                ends = (float(low), float(high))
            rows.append((str(name), int(images or 0), Point(accuracy, ends), sureness))
    return rows


def confusions(column: Column) -> list[tuple[str, str, int, float]]:
    """Return label, answer, number of images and share of the label of each confusion."""
    rows = complete_rows(column, "classes", "confusions", ("label", "predicted"), ("images", "share"))
    return [
        (label, answer, int(images), share)
        for label, answer, images, share in rows
        if images and share and label != answer
    ]


def points(column: Column, dimension: str, name: str, x: str, y: str) -> list[tuple[float, float]]:
    """Return the points of a curve from two columns of a table."""
    return [(first, second) for first, second in complete_rows(column, dimension, name, (), (x, y))]


def operating_points(column: Column, target: str) -> list[Marked]:
    """Return the operating points of a class's ROC curve."""
    texts = ("target", "set", "rule")
    numbers = ("recall", "specificity", "threshold")
    rows = complete_rows(column, "classes", "operating_points", texts, numbers)
    marked = []
    for name, in_set, rule, recall, specificity, threshold in rows:
        if name + ("" if in_set == CLEAN_SET else f"@set={in_set}") == target:
            # A rule by probability states its threshold.
            suffix = "" if rule.startswith("probability") else f", threshold {threshold:.4g}"
            marked.append((f"{rule}{suffix}", 1 - specificity, recall, 6.0))
    return marked


def answer_thresholds(column: Column) -> list[Marked]:
    """Return share and error of the clean images answered at thresholds chosen on them."""
    whole = column.measured("answers")
    numbers = ("threshold", "answered", "wrong")
    total = whole.n if whole else None
    rows = complete_rows(column, "answers", "thresholds", ("score", "set", "pipeline"), numbers)
    return [
        (f"{score} from {threshold:.4g}", answered / total, wrong / answered, 6.0)
        for score, in_set, pipeline, threshold, answered, wrong in rows
        if total and answered and in_set == CLEAN_SET and not pipeline
    ]


def rates(column: Column, rate: str) -> dict[str, tuple[int, Point]]:
    """Return number of images and `recall` or `precision` of each class that has it."""
    rows = {}
    columns = ("class", "images", rate, f"{rate}_lower", f"{rate}_upper")
    for name, *cells in column.table_rows("classes", "classes", *columns):
        images, value, lower, upper = map(number_of, cells)
        if value is not None:
            ends = None if lower is None or upper is None else (lower, upper)
            rows[str(name)] = int(images or 0), Point(value, ends)
    return rows


def shape_shares(column: Column) -> dict[str, Point]:
    """Return the share decided by shape for each category of the cue-conflict images."""
    numbers = ("shape_hits", "texture_hits")
    rows = complete_rows(column, "shape_bias", "categories", ("category",), numbers)
    return {name: Point(shape / (shape + texture)) for name, shape, texture in rows if shape + texture}
