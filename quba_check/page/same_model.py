"""The section "Same model?" of a page: changed answers, their classes and probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from quba_check.page import tables
from quba_check.page.columns import Column
from quba_check.page.figure import Figure, bars, matrix
from quba_check.page.figures import MOST_IN_MATRIX, WORST_CLASSES
from quba_check.page.pictures import DemandPictures, Pictures
from quba_check.page.strips import Point
from quba_check.reports.notes import ASKED, PARITY, parity_lines, reference_name


@dataclass(frozen=True, slots=True)
class SameModel:
    """The answers of one record and its reference.

    Attributes:
        column: the record.
        lines: the comparison in words.
        figures: charts and small tables; empty for the same predictions.
        pictures: images with a lost answer; None without any.
    """

    column: Column
    lines: tuple[str, ...]
    figures: tuple[Figure, ...]
    pictures: DemandPictures | None


def same_models(columns: Sequence[Column], pictures: Pictures) -> tuple[SameModel, ...]:
    """Return the comparison with the reference, for each record that has one."""
    compared = ((column, parity_lines(column.record)) for column in columns)
    return tuple(
        SameModel(
            column,
            (lines[0].removeprefix(ASKED), *lines[1:]),
            tuple(filter(None, _figures(column))),
            pictures.get((column.number, PARITY)),
        )
        for column, lines in compared
        if lines
    )


def _figures(column: Column) -> Iterator[Figure | None]:
    name = reference_name(column.record)
    answers = tables.complete_rows(column, PARITY, "changed_answers", ("before", "after"), ("images",))
    pairs = [(before, after, int(images)) for before, after, images in answers if images]
    yield from _matrix(column, pairs, name)
    headings = ("class", "images", "lost", "gained", "wrong_to_wrong")
    flips = [tuple(map(str, cells)) for cells in column.table_rows(PARITY, "flips_by_class", *headings)]
    if flips:
        shown = flips[:WORST_CLASSES]
        caption = f"Classes with the most changed answers, {len(shown)} of {len(flips)}"
        titles = tuple(heading.replace("_", " ") for heading in headings)
        yield Figure(caption, headings=titles, rows=tuple(shown))
    rows = list(tables.complete_rows(column, PARITY, "probability_changes", (), ("from", "to", "images")))
    total = sum(images for _, _, images in rows)
    if any(images for _, _, images in rows[1:]):
        shares = {f"{low:g} to {high:g}": {0: Point(images / total)} for low, high, images in rows}
        caption = f"Share of images by the largest change of a class's probability from {name}."
        yield bars(caption, "change", shares, [column.short])


def _matrix(column: Column, pairs: Sequence[tuple[str, str, int]], name: str) -> Iterator[Figure]:
    """Yield the matrix of old and new answers for few classes, else its largest cells."""
    classes = list(dict.fromkeys(answer for pair in pairs for answer in pair[:2]))
    if not pairs:
        return
    if len(classes) > MOST_IN_MATRIX:
        largest = tuple((before, after, f"{n:,}") for before, after, n in pairs[:WORST_CLASSES])
        yield Figure("The most frequent changes", headings=("before", "now", "images"), rows=largest)
        return
    total = sum(pair[2] for pair in pairs)
    cells = {(before, after): (n, n / total) for before, after, n in pairs}
    caption = (
        f"Changed answers: a row for each answer of {name}, a column for each answer of {column.short}. "
        "Cells stand out by their number of images; equal answers are left out."
    )
    yield matrix(caption, "before", classes, {}, cells)
