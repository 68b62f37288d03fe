"""A record for the terminal: one table, the grade, and a paragraph for each demand that was not met."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import StringIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from quba_check.records.measurement import AnyMeasurementRow, MeasurementRow, NotMeasuredRow
from quba_check.records.record import Record
from quba_check.records.verdict import SIGNS, GradeRow, VerdictRow
from quba_check.reports.notes import grade_line, record_notes
from quba_check.reports.table import dimension_table
from quba_check.reports.tables import wrap_line
from quba_check.reports.verdict_labels import (
    STYLES,
    Label,
    label,
    limit_text,
    most_severe,
    release_line,
    summary_line,
)

LEAST_WIDTH = 72
"""Columns below which the terminal's own wrapping reads better than a squeezed table."""
_HEADINGS: dict[Label, str] = {
    "FAIL": "Failed",
    "UNCERTAIN": "Uncertain",
    "WARN": "Warned",
    "INFO": "For information",
    "ALLOWED": "Uncertain but allowed",
    "SKIP": "Skipped",
    "NOT RUN": "Not run",
}


def render(record: Record, *, width: int, colour: bool, ascii: bool = False) -> str:  # noqa: A002
    """The record as text.

    Args:
        record: what to tell; nothing else is looked at.
        width: columns to fill at most, from 72 on; no name or number is cut, so that a name that is longer
            by itself sticks out.
        colour: add ANSI colours; without, the text says as much.
        ascii: use no character outside ASCII, for logs of other encodings.

    Returns:
        Lines ending in newlines, without trailing spaces.
    """
    width = max(width, LEAST_WIDTH)
    console = Console(
        file=StringIO(),
        width=width,
        height=100,
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
    )
    with console.capture() as capture:
        for part in _paragraphs(record, width, ascii=ascii):
            console.print(part, soft_wrap=True)
    text = "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())
    return text.encode("ascii", "backslashreplace").decode("ascii") if ascii else text


def _paragraphs(record: Record, width: int, *, ascii: bool) -> Iterator[Text | Table]:  # noqa: A002
    yield _wrapped(_header(record), width, style="bold")
    yield dimension_table(record, rule="-" if ascii else "─", width=width)
    said = [_wrapped(line, width) for line in _grade_lines(record)]
    said += [_wrapped(remark, width, style="yellow") for remark in record_notes(record)]
    yield from [Text(), *said] if said else []
    for called in _HEADINGS:
        yield from _group(record, called, width)
    yield Text()
    worst = most_severe(record.verdicts)
    style = STYLES[label(worst)] if worst else ""
    yield _wrapped(summary_line(record), width, style=style)
    if record.verdicts:
        yield _wrapped(release_line(record), width, style=style)


def _header(record: Record) -> str:
    return (
        f"{record.model.name} on {record.suite.name}, protocol {record.protocol}, "
        f"{record.environment.device}, {record.environment.precision}"
    )


def _grade_lines(record: Record) -> Iterator[str]:
    alike: dict[GradeRow, list[str]] = {}
    for grade in record.grades:
        if grade.score is not None or _is_asked_for(grade, record):
            alike.setdefault(grade.model_copy(update={"file": ""}), []).append(grade.file)
    for grade, files in alike.items():
        by = f"  ({', '.join(files)})" if len(alike) > 1 else ""
        yield grade_line(grade, record) + by
        yield from (f"  {note}" for note in grade.notes)
        for verdict in record.verdicts:
            if verdict.is_on_grade and verdict.id.partition("::")[0] in files:
                demand = f"{verdict.part} {SIGNS[verdict.bound]} {limit_text(verdict.limit)}"
                yield f"  {demand}: {label(verdict)}"


def _is_asked_for(grade: GradeRow, record: Record) -> bool:
    """Whether a grade that there is not must be told: not after a run that left dimensions out on purpose."""
    left_out = any(_is_left_out(record.measurements.get(name)) for name in grade.missing)
    return not left_out or any(
        verdict.is_on_grade and verdict.id.partition("::")[0] == grade.file for verdict in record.verdicts
    )


def _is_left_out(row: AnyMeasurementRow | None) -> bool:
    """Whether a dimension was not measured on purpose, or not on all images."""
    return isinstance(row, NotMeasuredRow) or (isinstance(row, MeasurementRow) and row.stopped is not None)


def _group(record: Record, called: Label, width: int) -> Iterator[Text]:
    told = [verdict for verdict in record.verdicts if label(verdict) == called]
    if told:
        yield Text()
        yield Text(f"{_HEADINGS[called]}:", style=STYLES[called])
    for message in _told_together(told) if called == "NOT RUN" else _messages(told):
        for line in message.splitlines():
            yield _wrapped(f"  {line}", width)


def _messages(verdicts: Iterable[VerdictRow]) -> Iterator[str]:
    return (verdict.message or verdict.id for verdict in verdicts)


def _told_together(verdicts: Iterable[VerdictRow]) -> Iterator[str]:
    """Messages of demands that were not judged, those of one reason on one line."""
    names: dict[str, list[str]] = {}
    for message in _messages(verdicts):
        name, _, reason = message.partition(" was not judged: ")
        names.setdefault(reason, []).append(name)
    return (f"{', '.join(found)}{': ' if reason else ''}{reason}" for reason, found in names.items())


def _wrapped(line: str, width: int, *, style: str = "") -> Text:
    """A line in as many as it takes, the further ones two columns further in; words are not broken."""
    lines = wrap_line(line.replace("protocol ", "protocol\u00a0"), width)  # a name stays with what it names
    return Text("\n".join(lines).replace("\u00a0", " "), style=style)
