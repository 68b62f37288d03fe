"""Words in the head of the page: verdict, grade and time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from quba_check.page.columns import Column
from quba_check.page.demands import DemandView
from quba_check.page.reference import Reference
from quba_check.records.record import Record
from quba_check.records.verdict import GradeRow, OverallVerdict
from quba_check.reports.verdict_labels import limited_words, verdict_words, waived_words

WORDS: Mapping[OverallVerdict, tuple[str, str, str]] = {
    "pass": ("PASS", "good", "This model may be released: no demand blocks it."),
    "partial": ("PARTIAL", "open", "Not decided: some demands of the same files were not selected."),
    "fail": ("FAIL", "bad", "This model must not be released."),
    "uncertain": ("UNCERTAIN", "warn", "This model is not released: a demand is not shown to be met."),
    "incomplete": ("INCOMPLETE", "open", "This model is not released: a blocking demand was not judged."),
    "not judged": ("NOT JUDGED", "open", "No demand was judged."),
    "interrupted": ("INTERRUPTED", "open", "The run was interrupted, so there is no verdict."),
}
"""Word, kind and meaning of each overall verdict. The kind chooses form and colour of the sign."""


def head_of(record: Record) -> tuple[str, str, str]:
    """Return word, kind and meaning of the verdict.

    A release with waivers has the sign of a warning.
    """
    word, kind, meaning = WORDS[record.overall_verdict]
    words = verdict_words(record)
    return (word, kind, meaning) if words == record.overall_verdict else (words.upper(), "warn", meaning)


def meaning_of(record: Record) -> str:
    """Return the verdict in a sentence, with left-out images and other doubts about it."""
    sentences = [head_of(record)[2]]
    if record.overall_verdict == "pass":
        sentences += [f"Judged {words}." for words in limited_words(record)]
        sentences += [f"Not met but {words}." for words in waived_words(record)]
    return " ".join([*sentences, *(f"Warning: {text}." for text in record.warnings)])


def blocking(demands: Sequence[DemandView], column: Column) -> list[DemandView]:
    """Return the demands that block the release of a record."""
    cells = ((demand, demand.cells.get(column.number)) for demand in demands)
    return [demand for demand, cell in cells if cell is not None and cell.verdict.blocks]


def grades(record: Record, population: Reference) -> list[GradeRow]:
    """Return the distinct grades to show.

    A grade without a score is shown if it is demanded, or if the population has the suite of the record.
    """
    is_expected = population.name or any(row.is_on_grade for row in record.verdicts)
    return [grade for grade in record.files_by_grade() if is_expected or grade.score is not None]


def readable_time(time: str) -> str:
    """Return a time of a record as `25 Nov 2026, 19:55 UTC`; other text unchanged."""
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return time
    zone = moment.strftime("%Z") or ""
    return f"{moment.day} {moment:%b %Y, %H:%M} {zone}".strip()
