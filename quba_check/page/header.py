"""Words in the head of the page: verdict, grade and time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

from quba_check.number_format import ordinal
from quba_check.page.columns import Column
from quba_check.page.demands import DemandView
from quba_check.records.record import Record
from quba_check.records.verdict import GradeRow, OverallVerdict
from quba_check.reports.demand_cells import letters_text
from quba_check.reports.verdict_labels import limited_words

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


def meaning_of(record: Record) -> str:
    """Return the verdict in a sentence, with left-out images and other doubts about it."""
    sentences = [WORDS[record.overall_verdict][2]]
    if record.overall_verdict == "pass":
        sentences += [f"Judged {words}." for words in limited_words(record)]
    return " ".join([*sentences, *(f"Warning: {text}." for text in record.warnings)])


def blocking(demands: Sequence[DemandView], column: Column) -> list[DemandView]:
    """Return the demands that block the release of a record."""
    cells = ((demand, demand.cells.get(column.number)) for demand in demands)
    return [demand for demand, cell in cells if cell is not None and cell.verdict.blocks]


def grade_words(grade: GradeRow) -> tuple[str, str, str]:
    """Return letter, spanned letters, and score or reason against a grade.

    Letter and span are empty if not graded, and the span also for a single letter.
    """
    models = "" if grade.models is None else f" ({grade.models:,} models)"
    score = grade.score
    if score is None or not math.isfinite(score) or grade.percentile is None or grade.letter is None:
        missing = f"missing {', '.join(grade.missing)}" if grade.missing else "no score"
        prefix = f"score {score:.3f}, " if score is not None and math.isfinite(score) else ""
        return "", "", f"{prefix}not graded: {grade.not_graded or missing}"
    ends = f" ({grade.interval[0]:.2f} to {grade.interval[1]:.2f})" if grade.interval else ""
    text = f"score {score:.2f}{ends}, {ordinal(grade.percentile)} percentile of {grade.population}{models}"
    if not grade.complete:
        text += f"; partial, without {', '.join(grade.missing)}"
    if grade.cross_protocol:
        text += f"; cross-protocol: {', '.join(grade.cross_protocol)}"
    if grade.other_suite:
        text += f"; other suite: {grade.other_suite}"
    return grade.letter, letters_text(grade), text


def readable_time(time: str) -> str:
    """Return a time of a record as `25 Nov 2026, 19:55 UTC`; other text unchanged."""
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return time
    zone = moment.strftime("%Z") or ""
    return f"{moment.day} {moment:%b %Y, %H:%M} {zone}".strip()
