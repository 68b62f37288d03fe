"""A record for the terminal: table, grade, and a paragraph per unmet demand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import StringIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from quba_check.records.measurement import NotMeasuredRow
from quba_check.records.record import Record
from quba_check.reports.cells import bound_text
from quba_check.reports.class_table import HEADINGS, class_table
from quba_check.reports.notes import grade_line, record_notes
from quba_check.reports.table import NOISE, dimension_table
from quba_check.reports.tables import LEAST_WIDTH, table_text, wrap_line
from quba_check.reports.verdict_labels import (
    LOOKS,
    Label,
    label,
    most_severe,
    release_line,
    summary_line,
    warning_lines,
)

LEGEND = f"{NOISE}: another sample of this size could flip the verdict"


def render(record: Record, *, width: int, colour: bool, ascii: bool = False, classes: bool = False) -> str:  # noqa: A002
    """Return a record as text.

    Args:
        record: the record.
        width: maximal width in columns, at least 72. Longer names and numbers exceed it; none is cut.
        colour: add ANSI colours.
        ascii: use only ASCII characters, for logs of other encodings.
        classes: add the table of single classes, if the record has it.

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
        for part in _paragraphs(record, width, ascii=ascii, classes=classes):
            console.print(part, soft_wrap=True)
    text = "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())
    return text.encode("ascii", "backslashreplace").decode("ascii") if ascii else text


def _paragraphs(record: Record, width: int, *, ascii: bool, classes: bool) -> Iterator[Text | Table]:  # noqa: A002
    header = f"{record.model.name} on {record.suite.name}, protocol {record.protocol}"
    header += f", {record.environment.device}, {record.environment.precision}"
    yield _wrapped(header, width, style="bold")
    yield from (_wrapped(line, width, style="yellow") for line in warning_lines(record))
    yield (table := dimension_table(record, rule="-" if ascii else "─", width=width))
    if any(f" {NOISE}" in str(cell) for column in table.columns for cell in column.cells):
        yield _wrapped(LEGEND, width, style="dim")
    title, rows = class_table(record) if classes else ("", [])
    if rows:
        lines = table_text(HEADINGS, rows, HEADINGS[1:], cut=["class"], width=width)
        yield Text(f"\n{title}:\n{lines.rstrip()}")
    notes = [_wrapped(line, width) for line in _grade_lines(record)]
    notes += [_wrapped(note, width, style="yellow") for note in record_notes(record)]
    yield from [Text(), *notes] if notes else []
    for group in LOOKS:
        if group != "PASS":
            yield from _group(record, group, width)
    yield Text()
    worst = most_severe(record.verdicts)
    yield _wrapped(summary_line(record), width, style=LOOKS[label(worst)].style if worst else "")
    if worst:
        yield _wrapped(release_line(record), width, style=LOOKS[label(worst)].style)


def _grade_lines(record: Record) -> Iterator[str]:
    demanding = {verdict.id.partition("::")[0] for verdict in record.verdicts if verdict.is_on_grade}
    same = {
        grade: files
        for grade, files in record.files_by_grade().items()
        if grade.score is not None
        or demanding & {*files}
        # The run left dimensions of a missing grade out on purpose.
        or not any(isinstance(record.measurements.get(name), NotMeasuredRow) for name in grade.missing)
    }
    for grade, files in same.items():
        origin = f"  ({', '.join(files)})" if len(same) > 1 else ""
        yield grade_line(grade, record) + origin
        yield from (f"  {note}" for note in grade.notes)
        for verdict in record.verdicts:
            if verdict.is_on_grade and verdict.id.partition("::")[0] in files:
                yield f"  {verdict.part} {bound_text(verdict)}: {label(verdict)}"


def _group(record: Record, group: Label, width: int) -> Iterator[Text]:
    messages = [verdict.message or verdict.id for verdict in record.verdicts if label(verdict) == group]
    if messages:
        yield Text()
        yield Text(f"{LOOKS[group].heading}:", style=LOOKS[group].style)
    for message in _by_reason(messages) if group == "NOT RUN" else messages:
        for line in message.splitlines():
            yield _wrapped(f"  {line}", width)


def _by_reason(messages: Iterable[str]) -> Iterator[str]:
    """Yield messages of unjudged demands, with one line per reason."""
    names: dict[str, list[str]] = {}
    for message in messages:
        name, _, reason = message.partition(" was not judged: ")
        names.setdefault(reason, []).append(name)
    return (f"{', '.join(demands)}{': ' if reason else ''}{reason}" for reason, demands in names.items())


def _wrapped(line: str, width: int, *, style: str = "") -> Text:
    """Wrap a line between words; a protocol stays on one line with its name."""
    lines = wrap_line(line.replace("protocol ", "protocol\u00a0"), width)
    return Text("\n".join(lines).replace("\u00a0", " "), style=style)
