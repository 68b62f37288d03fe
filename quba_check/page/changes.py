"""Changes since the baseline, and the answers of a model and its reference compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from shlex import quote

from quba_check.comparison.compare import AnswersRow, ChangeRow, compare
from quba_check.comparison.misclassified import Flip, flips
from quba_check.comparison.stored_run import StoredRun
from quba_check.errors import UserError
from quba_check.messages import listed
from quba_check.page import tables
from quba_check.page.columns import Column
from quba_check.page.figure import Figure, bars, matrix
from quba_check.page.figures import MOST_IN_MATRIX, WORST_CLASSES
from quba_check.page.pictures import DemandPictures, PicturesByDemand
from quba_check.page.strips import Point
from quba_check.reports.comparison import answers_line
from quba_check.reports.notes import PARITY, parity_texts, reference_name

MOST_FLIPS = 60
"""Largest number of flipped images in the lists of all records."""
MOST_WITH_PARTS = 2
"""Largest number of records with a table of the changes of parts."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes of one record.

    Attributes:
        column: the record.
        baseline: name and date of the baseline.
        problem: the reason why the two cannot be compared; else empty.
        rows: changes of dimensions, each followed by those of its parts for few records.
        notes: notes of the comparison.
        flipped: the flipped images, lost ones first; some of them if there are many.
        answers: the numbers of lost, gained and other answers; None if unknown.
        command: command that writes all flipped images.
        unknown: the reason why the flipped images are unknown; else empty.
    """

    column: Column
    baseline: str
    problem: str = ""
    rows: tuple[ChangeRow, ...] = ()
    notes: tuple[str, ...] = ()
    flipped: tuple[Flip, ...] = ()
    answers: AnswersRow | None = None
    command: str = ""
    unknown: str = ""

    @property
    def summary(self) -> str:
        """The changes in a line."""
        if self.problem:
            return f"not comparable with {self.baseline}"
        rows = [row for row in self.rows if row.part is None]
        worse = listed([row.dimension for row in rows if row.finding == "worse"], 3)
        better = sum(row.finding == "better" for row in rows)
        parts = [*([f"worse: {worse}"] if worse else []), *([f"{better} better"] if better else [])]
        parts = parts or ["no dimension changed by more than noise"]
        answers = self.answers
        flips = [] if answers is None else [f"{answers.lost:,} images lost, {answers.gained:,} gained"]
        return "; ".join([*parts, *flips])

    @property
    def hidden(self) -> int:
        """Number of flipped images that are not in the list."""
        return (self.answers.lost + self.answers.gained if self.answers else 0) - len(self.flipped)


def changes(columns: Sequence[Column], baseline: StoredRun | None) -> tuple[Changes, ...]:
    """Return the changes of each record; empty without baseline."""
    return () if baseline is None else tuple(_changes(column, baseline, len(columns)) for column in columns)


def _changes(column: Column, baseline: StoredRun, records: int) -> Changes:
    name = f"{baseline.record.model.name} ({baseline.file})"
    try:
        comparison = compare(baseline, column.run)
    except UserError as why:
        return Changes(column, name, problem=str(why))
    try:
        flipped = flips(baseline, column.run)
        unknown = ""
    except UserError as why:
        flipped = []
        unknown = str(why)
    lost_and_gained = [flip for kind in ("lost", "gained") for flip in flipped if flip.kind == kind]
    before = comparison.before.model_copy(update={"file": "baseline"})
    after = comparison.after.model_copy(update={"file": column.name, "unmet": ()})  # the page shows them
    named = comparison.model_copy(update={"before": before, "after": after})
    return Changes(
        column,
        name,
        rows=tuple(row for row in comparison.changes if row.part is None or records <= MOST_WITH_PARTS),
        notes=tuple(filter(None, (answers_line(comparison), *named.all_notes))),
        flipped=tuple(lost_and_gained[: MOST_FLIPS // records]),
        answers=comparison.answers,
        command=f"quba-check compare {quote(baseline.file)} {quote(column.run.file)} --flips flips.csv",
        unknown=unknown,
    )


def better_model(columns: Sequence[Column]) -> str:
    """Return a sentence that compares two models; empty for any other number.

    >>> better_model([])
    ''
    """
    if len(columns) != 2:
        return ""
    first, second = columns
    try:
        rows = [row for row in compare(first.run, second.run).changes if row.part is None]
    except UserError as why:
        return str(why)
    claims = {
        "worse": f"{first.short} is better at ",
        "better": f"{second.short} is better at ",
        "within noise": "no difference is shown in ",
    }
    at = {key: ", ".join(row.dimension for row in rows if row.finding == key) for key in (*claims, "same")}
    parts = "; ".join(claim + at[key] for key, claim in claims.items() if at[key])
    sentences = (parts and f"At 95 % confidence, {parts}.", at["same"] and f"Equal: {at['same']}.")
    return " ".join(filter(None, sentences))


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


def same_models(columns: Sequence[Column], pictures: PicturesByDemand) -> tuple[SameModel, ...]:
    """Return the comparison with the reference, for each record that has one."""
    return tuple(
        SameModel(column, lines, tuple(filter(None, _figures(column))), pictures.get((column.number, PARITY)))
        for column in columns
        if (lines := parity_texts(column.record))
    )


def _figures(column: Column) -> Iterator[Figure | None]:
    name = reference_name(column.record)
    answers = tables.complete_rows(column, PARITY, "changed_answers", ("before", "after"), ("images",))
    pairs = [(before, after, int(images)) for before, after, images in answers if images]
    yield from _matrix(column, pairs, name)
    headings = ("class", "images", "lost", "gained", "wrong_to_wrong")
    flips = [tuple(map(str, cells)) for cells in column.table_rows(PARITY, "flips_by_class", *headings)]
    most_changed = flips[:WORST_CLASSES]
    if most_changed:
        caption = f"Classes with the most changed answers, {len(most_changed)} of {len(flips)}"
        titles = tuple(heading.replace("_", " ") for heading in headings)
        yield Figure(caption, headings=titles, rows=tuple(most_changed))
    rows = list(tables.complete_rows(column, PARITY, "probability_changes", (), ("from", "to", "images")))
    total = sum(images for _, _, images in rows)
    if any(images for _, _, images in rows[1:]):
        shares = {f"{low:g} to {high:g}": {0: Point(images / total)} for low, high, images in rows}
        caption = f"Share of images by the largest change of a class's probability from {name}."
        yield bars(caption, "change", shares, [column.short])


def _matrix(column: Column, pairs: Sequence[tuple[str, str, int]], name: str) -> Iterator[Figure]:
    """Yield the matrix of old and new answers for few classes, else its largest cells."""
    classes = list(dict.fromkeys(answer for pair in pairs for answer in pair[:2]))
    if len(classes) > MOST_IN_MATRIX:
        largest = tuple((before, after, f"{n:,}") for before, after, n in pairs[:WORST_CLASSES])
        yield Figure("The most frequent changes", headings=("before", "now", "images"), rows=largest)
    elif pairs:
        total = sum(pair[2] for pair in pairs)
        cells = {(before, after): (n, n / total) for before, after, n in pairs}
        caption = (
            f"Changed answers: a row for each answer of {name}, a column for each answer of {column.short}. "
            "Cells stand out by their number of images; equal answers are left out."
        )
        yield matrix(caption, "before", classes, {}, cells)
