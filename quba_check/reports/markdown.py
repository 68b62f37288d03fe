"""Records as a summary in Markdown, for CI pages and pull requests."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from quba_check.comparison.compare import Comparison, compare
from quba_check.comparison.stored_run import THIS_RUN, StoredRun
from quba_check.errors import UserError
from quba_check.records.record import Record
from quba_check.records.verdict import VerdictRow
from quba_check.reports.cells import CLASS_HEADINGS, NONE, class_table, demand_cells, letters_text
from quba_check.reports.comparison import answers_line
from quba_check.reports.notes import grade_line, parity_lines, record_notes
from quba_check.reports.tables import code, code_block, markdown_table, prose, wrap_line
from quba_check.reports.unmet_demands import next_step, unmet_lines
from quba_check.reports.verdict_labels import (
    LABELS,
    LOOKS,
    label,
    limited_words,
    summary_line,
    verdict_words,
    warning_lines,
)

LARGEST = 60_000
"""Largest size of a summary in bytes; a comment on GitHub has at most 65,536 characters."""
MOST_FAILED = 10
"""Largest number of unmet demands outside the folded part."""
MOST_RUNS = 50
"""Largest number of runs in a summary of verdicts alone."""
_CUT = f"*Cut to {LARGEST // 1000} kB. The records have all demands, explanations and notes.*"
_LONGEST_REASON = 160
_LONGEST_WARNING = 3_000
_WIDTH = 110
"""Width of explanations in columns; readers of Markdown do not wrap code."""


@dataclass(frozen=True, slots=True)
class Run:
    """A record with what its summary needs from outside.

    Attributes:
        record: the record.
        comparison: the changes from a baseline, if compared.
        notes: notes on the comparison, for example the reason against one.
        path: path of the record's file, for the next steps; empty if none was written.
    """

    record: Record
    comparison: Comparison | None = None
    notes: tuple[str, ...] = ()
    path: str = ""


def compared_run(run: StoredRun, baseline: StoredRun | None) -> Run:
    """Return a run with its changes from a baseline, if comparable."""
    path = "" if run.file == THIS_RUN else run.file
    try:
        return Run(run.record, None if baseline is None else compare(baseline, run), path=path)
    except UserError as why:
        return Run(run.record, notes=(str(why),), path=path)


def markdown_summary(runs: Sequence[Run], *, page: str = "", url: str = "") -> str:
    """Return a summary for GitHub, GitLab and other readers of Markdown.

    Each run has a line with its verdict, a table of at most ten unmet demands, all demands folded, and the
    command that repeats it. A summary of more than `LARGEST` bytes leaves out the folded parts, and one that
    is still too large all but the verdicts. The last line then states the cut.

    Args:
        runs: the runs, at least one.
        page: path of the report page, if written.
        url: address of the report page, if known.
    """
    link = _link(page, url)
    is_single = len(runs) == 1
    passed = sum(run.record.overall_verdict == "pass" for run in runs)
    text = ""
    mark = "✅" if passed == len(runs) else "❌"
    heading = f"## {mark} quba-check: {passed} of {len(runs)} runs may be released"
    for has_tables, has_details in ((True, True), (True, False), (False, False)):
        paragraphs = [] if is_single else [heading]
        for run in runs if has_tables else runs[:MOST_RUNS]:
            paragraphs.append(_verdict_line(run.record))
            paragraphs += _unmet_demands(run, url) if has_tables else ()
            folded = [_details(run), _class_details(run.record)] if has_details else []
            paragraphs += [link if is_single else "", *folded]
            paragraphs.append(_command(run.record) if has_tables else "")
        paragraphs += ["" if is_single else link, "" if has_details else _CUT]
        text = "\n\n".join(filter(None, paragraphs)) + "\n"
        if len(text.encode()) <= LARGEST:
            break
    return text


def markdown_link(text: str, url: str) -> str:
    """Return a link; characters of the address that could end it are encoded."""
    return f"[{text}](<{quote(url, safe=_SAFE)}>)"


_SAFE = ":/?#[]@!$&'*+,;=%~-._"


def _link(page: str, url: str) -> str:
    if url:
        return markdown_link("Report page", url)
    return f"Report page: {code(page, longest=_LONGEST_REASON)}" if page else ""


def _verdict_line(record: Record) -> str:
    grades = [
        f"grade {code(grade.letter + (f' ({spans})' if (spans := letters_text(grade)) else ''))}"
        for grade in record.grades
        if grade.letter is not None
    ]
    words = verdict_words(record)
    verdict = record.overall_verdict
    mark = "✅" if words == "pass" else "⚠️" if verdict in ("pass", "partial") else "❌"
    headline = "NOT DECIDED" if verdict == "partial" else words.upper()
    limited = limited_words(record) if verdict == "pass" else ()
    title = f"### {mark} {headline}: {code(record.model.name)}"
    return " · ".join([title, summary_line(record), *limited, *dict.fromkeys(grades)])


def _unmet_demands(run: Run, url: str) -> Iterator[str]:
    """Yield warnings, equality of answers, the table of unmet demands, and notes."""
    for line in (*warning_lines(run.record), *parity_lines(run.record)):
        yield code(line, _LONGEST_WARNING)
    unmet = [row for row in run.record.verdicts if not row.is_met]
    unmet.sort(key=lambda row: (not row.blocks, LABELS.index(label(row))))
    if unmet:
        yield _table(run, unmet[:MOST_FAILED], url)
    if len(unmet) > MOST_FAILED:
        yield f"… and {len(unmet) - MOST_FAILED} more."
    yield from (f"Not compared with the baseline: {code(note, 300)}" for note in run.notes)


def _table(run: Run, verdicts: Sequence[VerdictRow], url: str = "") -> str:
    """Return a table of demands, with links to the page."""
    levels = {f"{100 * row.confidence:g}" for row in run.record.verdicts}
    interval = f"{levels.pop()} % interval" if len(levels) == 1 else "interval"
    columns = ["verdict", "demand", "bound", "value", interval, "missed"]
    if run.comparison is not None:
        columns.append(f"change from {code(run.comparison.before.file, 40)}")
    rows = []
    for row in verdicts:
        mark = "❌" if row.blocks else LOOKS[label(row)].mark
        name = code(row.target)
        if url and "#" not in url:  # the page opens the demand that its address names
            name = markdown_link(name, f"{url}#d={quote(row.target, safe='')}")
        name = f"{prose(row.title)}<br>{name}" if row.title else name
        cells = demand_cells(row, run.record, run.comparison)
        gap = code(cells.gap, _LONGEST_REASON) if cells.has_reason else f"**{cells.gap}**"
        spans = [text if text == NONE else code(text) for text in (cells.bound, cells.value, cells.interval)]
        texts = [*spans, NONE if cells.gap == NONE else gap, cells.change]
        rows.append([f"{mark} {label(row)}", name, *texts][: len(columns)])
    return markdown_table(columns, rows)


def _details(run: Run) -> str:
    """Return all demands, explanations and notes as a folded part."""
    count = len(run.record.verdicts)
    title = f"All {count} demands" if count != 1 else "The demand"
    summary = f"<details><summary>{title}, explanations and notes</summary>"
    lines = [part for line in _messages(run) for part in wrap_line(line, _WIDTH) or [""]]
    table = _table(run, run.record.verdicts) if count else ""
    return "\n\n".join(filter(None, [summary, table, code_block(lines) if lines else "", "</details>"]))


def _class_details(record: Record) -> str:
    """Return the table of single classes as a folded part; empty without one."""
    title, rows = class_table(record)
    if not rows:
        return ""
    table = markdown_table(CLASS_HEADINGS, ((code(name), *numbers) for name, *numbers in rows))
    return f"<details><summary>Classes: {title}</summary>\n\n{table}\n\n</details>"


def _messages(run: Run) -> Iterator[str]:
    """Yield explanations of unmet demands, grades and notes, as the terminal shows them."""
    record = run.record
    lines_above = set[str]()
    for verdict in sorted(record.verdicts, key=lambda row: LABELS.index(label(row))):
        if verdict.message:
            first, *others = unmet_lines(verdict, lines_above)
            step = next_step(verdict, record, run.path)
            yield from (f"{label(verdict)}: {first}", *others, *([f"  next: {step}"] if step else []))
    yield from (grade_line(grade, record) for grade in record.grades)
    yield from record_notes(record, lines_above=lines_above)
    if run.comparison is not None:
        yield from filter(None, (answers_line(run.comparison), *run.comparison.all_notes))


def _command(record: Record) -> str:
    """Return the command line of a run; empty for records of versions that stored none."""
    block = code_block([shlex.join(record.command)], "sh")
    return f"Repeat this run:\n\n{block}" if record.command else ""
