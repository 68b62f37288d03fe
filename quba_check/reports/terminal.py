"""A record for the terminal: table, grade, and a paragraph per unmet demand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO

from rich.box import Box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from quba_check.core.request import titled_name
from quba_check.messages import grouped
from quba_check.number_format import counted
from quba_check.records.measurement import (
    AnyMeasurementRow,
    MeasurementRow,
    NotMeasuredRow,
    QuantityRow,
    UnmeasurableRow,
)
from quba_check.records.record import Record
from quba_check.records.verdict import DROPS, SIGNS, VerdictRow
from quba_check.reports.cells import (
    CLASS_HEADINGS,
    NONE,
    NOT_JUDGED,
    bound_text,
    class_table,
    interval_cell,
    name_cell,
    value_text,
    worst_part,
    wrap_name_cell,
)
from quba_check.reports.notes import grade_line, record_notes
from quba_check.reports.tables import LEAST_WIDTH, printed, table_text, wrap_line
from quba_check.reports.unmet_demands import next_step, unmet_lines
from quba_check.reports.verdict_labels import (
    LOOKS,
    UNMET,
    Label,
    label,
    most_severe,
    verdict_line,
    warning_lines,
)

_SHORT_SIGNS = {**SIGNS, "max_relative_drop": SIGNS["max_drop"]}
"""Signs in the table, where % shows that a drop is relative."""
NOISE = "~"
"""Mark of verdicts that another sample of the same size could flip."""
LEGEND = f"{NOISE}: another sample of this size could flip the verdict"
DEMAND = "demand"
WORST_PART = "worst part"
NAME = "dimension"
DROP = "drop"
HEADINGS = (NAME, "value", "interval", DEMAND, "verdict", WORST_PART)
MeasuredCell = AnyMeasurementRow | QuantityRow | None
"""The content of a row: a dimension, a part, or a missing part."""


def dimension_table(record: Record, *, width: int) -> Table:
    """Return a table of dimensions, with further rows for parts with unmet demands.

    Of several demands on a dimension it shows the one with the most severe verdict, the first of equals;
    drops have rows of their own, unless nothing else is demanded. The column of intervals is left out if no
    dimension has one.

    Args:
        record: the record.
        width: maximal width in columns. Worst parts are wrapped between words; without room they are left
            out, then demands are wrapped, and names between conditions. A table that is still too wide
            exceeds it.
    """
    has_intervals = any(row.interval for row in record.measured.values())
    gap = 0 if has_intervals else 1
    blank = "    \n"
    # Only a rule below the headings.
    box = Box(f"{blank}{blank}────\n" + blank * 5)
    table = Table(box=box, padding=(0, gap, 0, 0), pad_edge=False, show_edge=False)
    rows = [[Text(heading) for heading in HEADINGS], *_rows(record)]
    columns = dict(zip(HEADINGS, zip(*rows, strict=True), strict=True))
    if not has_intervals:
        del columns["interval"]
    widths = _column_widths(columns, width + gap + 1, gap + 1)
    table.width = sum(widths.values()) + (gap + 1) * (len(widths) - 1)
    columns[NAME] = tuple(Text(wrap_name_cell(cell.plain, widths[NAME])) for cell in columns[NAME])
    for heading, column in widths.items():
        table.add_column(heading, justify="right" if heading == "value" else "left", width=column)
    for cells in list(zip(*(columns[heading] for heading in widths), strict=True))[1:]:
        table.add_row(*cells)
    return table


def _column_widths(columns: Mapping[str, Sequence[Text]], room: int, gap: int) -> dict[str, int]:
    """Return the widths of the shown columns; `room` includes a gap after each."""
    widths = {heading: _longest(cell.plain for cell in cells) for heading, cells in columns.items()}
    excess = sum(widths.values()) + gap * len(widths) - room
    for heading in (WORST_PART, DEMAND, NAME):
        texts = [cell.plain for cell in columns[heading]]
        words = [wrap_name_cell(text, 1) if heading == NAME else "\n".join(text.split()) for text in texts]
        cut = min(max(excess, 0), widths[heading] - max(len(heading), _longest(words)))
        widths[heading] -= cut
        if heading == WORST_PART and cut < excess:
            cut += widths.pop(heading) + gap
        excess -= cut
    return widths


def _longest(texts: Iterable[str]) -> int:
    return max((cell_len(line) for text in texts for line in text.splitlines()), default=0)


def _rows(record: Record) -> Iterator[list[Text]]:
    """Yield the cells of each row: name, value, interval, demand, verdict, worst part."""
    for name, row in _shown(record).items():
        verdicts = [verdict for verdict in record.verdicts if verdict.dimension == name]
        wholes = [verdict for verdict in verdicts if verdict.part is None]
        whole_verdict = most_severe([whole for whole in wholes if whole.key not in DROPS] or wholes)
        first = Text(name_cell(name, "" if whole_verdict is None else whole_verdict.title))
        is_unknown = (
            whole_verdict is not None and whole_verdict.key in DROPS and whole_verdict.outcome in NOT_JUDGED
        )
        cells = _cells(None if is_unknown else _whole(row, whole_verdict), whole_verdict, verdicts)
        yield [first, *cells, Text(worst_part(name, row))]
        for verdict in verdicts:
            # Some parts exist only because a demand asks for them. A drop is not the value of its number.
            is_drop = verdict.key in DROPS and verdict is not whole_verdict
            if is_drop or (verdict.part is not None and (label(verdict) in UNMET or verdict.requested)):
                part = record.bounded(verdict) if isinstance(row, MeasurementRow) else row
                part = NotMeasuredRow(not_measured=True) if is_drop and verdict.judged is None else part
                name_text = Text(name_cell(verdict.part or DROP, verdict.title, "  "))
                yield [name_text, *_cells(part, verdict, []), Text()]


def _shown(record: Record) -> dict[str, AnyMeasurementRow]:
    """Return the dimensions that were measured or demanded."""
    demanded = {verdict.dimension for verdict in record.verdicts}
    rows = record.measurements.items()
    return {name: row for name, row in rows if name in demanded or not isinstance(row, NotMeasuredRow)}


def _whole(row: MeasuredCell, verdict: VerdictRow | None) -> MeasuredCell:
    """Return the row of a dimension, without a value that only its parts have."""
    if not isinstance(row, MeasurementRow) or row.quantity(None) is not None:
        return row
    return NotMeasuredRow(not_measured=True) if verdict is None else None


def _cells(row: MeasuredCell, verdict: VerdictRow | None, others: Sequence[VerdictRow]) -> list[Text]:
    """Return value, interval, demand and verdict; without a verdict, the number of those on parts."""
    missing = "unmeasurable" if isinstance(row, UnmeasurableRow | None) else "not measured"
    quantity = None
    value = Text(missing, style="dim")
    interval = Text()
    if isinstance(row, QuantityRow):
        quantity = row
        judged_row = row if verdict is None else verdict.judged or row
        value = Text(
            value_text(judged_row.value, judged_row.unit, None if verdict is None else verdict.bound)
        )
        interval = Text(interval_cell(judged_row))
    demand = f"{len(others)} on parts" if others else NONE
    if verdict is not None:
        demand = bound_text(verdict, quantity, signs=_SHORT_SIGNS)
    label_text = Text(NONE, style="dim")
    decisive = verdict or most_severe(others)
    if decisive is not None:
        label_text = Text(label(decisive), style=LOOKS[label(decisive)].style)
        if decisive.within_noise and decisive.policy == "point":
            label_text.append(f" {NOISE}", style="yellow")
    return [value, interval, Text(demand), label_text]


def render(record: Record, *, width: int, colour: bool, classes: bool = False, path: str = "") -> str:
    """Return a record as text.

    Args:
        record: the record.
        width: maximal width in columns, at least 72. Longer names and numbers exceed it; none is cut.
        colour: add ANSI colours.
        classes: add the table of single classes, if the record has it.
        path: path of the record's file, for the next steps; empty if none was written.

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
    paragraphs = _paragraphs(record, width, path, classes=classes)
    return printed(console, paragraphs, soft_wrap=True)


def _paragraphs(record: Record, width: int, path: str, *, classes: bool) -> Iterator[Text | Table]:
    header = f"{record.model.name} on {record.suite.name}, protocol {record.protocol}"
    header += f", {record.environment.arithmetic}"
    yield _wrapped(header, width, style="bold")
    yield from (_wrapped(line, width, style="yellow") for line in warning_lines(record))
    if record.predictions is not None and record.predictions.reused:
        yield _wrapped(record.predictions.text, width, style="dim")
    yield (table := dimension_table(record, width=width))
    left_out = len(record.measurements) - len(_shown(record))
    if left_out:
        line = f"not measured, as no demand needs it: {counted(left_out, 'dimension')}"
        yield _wrapped(line, width, style="dim")
    if any(f" {NOISE}" in str(cell) for column in table.columns for cell in column.cells):
        yield _wrapped(LEGEND, width, style="dim")
    title, rows = class_table(record) if classes else ("", [])
    if rows:
        lines = table_text(CLASS_HEADINGS, rows, CLASS_HEADINGS[1:], cut=["class"], width=width)
        yield Text(f"\n{title}:\n{lines.rstrip()}")
    grades = [_wrapped(line, width) for line in _grade_lines(record)]
    if grades:
        yield from [Text(), *grades]
    worst = most_severe(record.verdicts)
    lines_above = set[str]()
    yield _wrapped(verdict_line(record), width, style=LOOKS[label(worst)].style if worst else "")
    for group in LOOKS:
        if group != "PASS":
            yield from _group(record, group, width, path, lines_above)
    notes = record_notes(record, with_noise=False, lines_above=lines_above)
    yield from [Text()] if notes else []
    yield from (_wrapped(note, width, style="yellow") for note in notes)


def _grade_lines(record: Record) -> Iterator[str]:
    demanding = {verdict.threshold_file for verdict in record.verdicts if verdict.is_on_grade}
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
            if verdict.is_on_grade and verdict.threshold_file in files:
                name = titled_name(verdict.title, str(verdict.part))
                yield f"  {name} {bound_text(verdict)}: {label(verdict)}"


def _group(record: Record, group: Label, width: int, path: str, lines_above: set[str]) -> Iterator[Text]:
    rows = [row for row in record.verdicts if label(row) == group]
    if rows:
        yield Text()
        yield Text(f"{LOOKS[group].heading}:", style=LOOKS[group].style)
    if group == "NOT RUN":
        reasons = grouped((row.explanation.reason, row.shown_name) for row in rows)
        for reason, names in reasons.items():
            yield _wrapped(f"  {', '.join(names)}{': ' if reason else ''}{reason}", width)
        return
    last = ""
    for row in rows:
        yield from (_wrapped(f"  {line}", width) for line in unmet_lines(row, lines_above))
        step = next_step(row, record, path)
        if step:  # one line, to be copied
            yield Text(f"    next: {'as above' if step == last else step}")
            last = step


def _wrapped(line: str, width: int, *, style: str = "") -> Text:
    """Wrap a line between words; a protocol stays on one line with its name."""
    lines = wrap_line(line.replace("protocol ", "protocol\u00a0"), width)
    return Text("\n".join(lines).replace("\u00a0", " "), style=style)
