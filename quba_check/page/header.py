"""The head of the page: verdict, grade, counts and change of each record."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from quba_check.number_format import ordinal
from quba_check.page.changes import Changes
from quba_check.page.columns import Column
from quba_check.page.demands import DemandView
from quba_check.records.record import Record
from quba_check.records.verdict import GradeRow, OverallVerdict
from quba_check.reports.demand_cells import letters_text
from quba_check.reports.verdict_labels import limited_words, summary_line

WORDS: Mapping[OverallVerdict, tuple[str, str, str]] = {
    "pass": ("PASS", "good", "This model may be released: it meets every blocking demand."),
    "partial": ("PARTIAL", "open", "Not decided: some demands of the same files were not selected."),
    "fail": ("FAIL", "bad", "This model must not be released."),
    "uncertain": ("UNCERTAIN", "warn", "This model is not released: a demand is not shown to be met."),
    "incomplete": ("INCOMPLETE", "open", "This model is not released: a blocking demand was not judged."),
    "not judged": ("NOT JUDGED", "open", "No demand was judged."),
    "interrupted": ("INTERRUPTED", "open", "The run was interrupted, so there is no verdict."),
}
"""Word, kind and meaning of each overall verdict. The kind chooses form and colour of the sign."""


@dataclass(frozen=True, slots=True)
class CardView:
    """The verdict on one record.

    Attributes:
        column: the record.
        word: the verdict as a word in capitals.
        kind: `good`, `bad`, `warn` or `open`: form and colour of the sign.
        meaning: the verdict as a sentence.
        counts: the verdicts by their number.
        blocking: target and fragment of each demand that blocks the release.
        grades: grades of the threshold files.
        change: the change since the baseline in a line; empty without baseline.
        date: date and time of the run.
        commit: commit of the folder of the run; empty if unknown.
    """

    column: Column
    word: str
    kind: str
    meaning: str
    counts: str
    blocking: tuple[tuple[str, str], ...]
    grades: tuple[GradeView, ...]
    change: str
    date: str
    commit: str


@dataclass(frozen=True, slots=True)
class GradeView:
    """A grade in words.

    Attributes:
        letter: the letter; empty if not graded.
        spans: the letters that the interval of the score spans, `A to C`; empty for a single one.
        text: score, percentile and caveats, or the reason against a grade.
    """

    letter: str
    spans: str
    text: str


def cards(
    columns: Sequence[Column], demands: Sequence[DemandView], changes: Sequence[Changes]
) -> tuple[CardView, ...]:
    """Return the verdict on each record.

    Args:
        columns: the records.
        demands: the demands, for their addresses.
        changes: the changes since the baseline, one per record; empty without baseline.
    """
    return tuple(_card(column, demands, changes[column.number] if changes else None) for column in columns)


def _card(column: Column, demands: Sequence[DemandView], changes: Changes | None) -> CardView:
    record = column.record
    word, kind, meaning = WORDS[record.overall_verdict]
    blocking = tuple(
        (demand.row.target, demand.link)
        for demand in demands
        if column.number in demand.cells and demand.cells[column.number].verdict.blocks
    )
    return CardView(
        column=column,
        word=word,
        kind=kind,
        meaning=" ".join([meaning, *_reservations(record)]),
        counts=summary_line(record),
        blocking=blocking,
        grades=tuple(_grade(grade) for grade in _distinct_grades(record.grades)),
        change="" if changes is None else changes.summary,
        date=_date(record.environment.time),
        commit=record.environment.git or "",
    )


def _reservations(record: Record) -> Iterator[str]:
    """Yield sentences on left-out images and other doubts about the verdict."""
    if record.overall_verdict == "pass":
        yield from (f"Judged {words}." for words in limited_words(record))
    yield from (f"Warning: {text}." for text in record.warnings)


def _distinct_grades(grades: Sequence[GradeRow]) -> list[GradeRow]:
    """Return the grades without those that differ only in the name of the file."""
    return list({grade.model_copy(update={"file": ""}): grade for grade in reversed(grades)}.values())[::-1]


def _grade(grade: GradeRow) -> GradeView:
    models = "" if grade.models is None else f" ({grade.models:,} models)"
    score = grade.score
    if score is None or not math.isfinite(score) or grade.percentile is None or grade.letter is None:
        missing = f"missing {', '.join(grade.missing)}" if grade.missing else "no score"
        reason = grade.not_graded or missing
        prefix = f"score {score:.3f}, " if score is not None and math.isfinite(score) else ""
        return GradeView("", "", f"{prefix}not graded: {reason}")
    ends = f" ({grade.interval[0]:.2f} to {grade.interval[1]:.2f})" if grade.interval else ""
    text = f"score {score:.2f}{ends}, {ordinal(grade.percentile)} percentile of {grade.population}{models}"
    if not grade.complete:
        text += f"; partial, without {', '.join(grade.missing)}"
    if grade.cross_protocol:
        text += f"; cross-protocol: {', '.join(grade.cross_protocol)}"
    if grade.other_suite:
        text += f"; other suite: {grade.other_suite}"
    return GradeView(grade.letter, letters_text(grade), text)


def _date(time: str) -> str:
    """Return a time of a record as `25 Nov 2026, 19:55 UTC`; other text unchanged."""
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return time
    zone = moment.strftime("%Z") or ""
    return f"{moment.day} {moment:%b %Y, %H:%M} {zone}".strip()
