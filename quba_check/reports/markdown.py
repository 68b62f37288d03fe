"""Records as a summary in Markdown, for CI pages and pull requests."""

from __future__ import annotations

import shlex
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from quba_check.comparison.compare import compare
from quba_check.comparison.stored_run import StoredRun
from quba_check.errors import UserError
from quba_check.records.comparison import Comparison
from quba_check.records.record import Record
from quba_check.records.verdict import OverallVerdict, VerdictRow
from quba_check.reports.demand_cells import NONE, DemandCells, demand_cells, letters_text
from quba_check.reports.gate_command import gate_command
from quba_check.reports.github_markdown import code, code_block, table_row
from quba_check.reports.notes import grade_line, record_notes
from quba_check.reports.tables import wrap_line
from quba_check.reports.verdict_labels import LABELS, Label, label, limited_words, summary_line, warning_lines

LARGEST = 60_000
"""Largest size of a summary in bytes; a comment on GitHub has at most 65,536 characters."""
MOST_FAILED = 10
"""Largest number of unmet demands outside the folded part."""
_RESERVE = 600
"""Bytes kept free for the closing lines about the cut."""
_LONGEST_REASON = 160
_WIDTH = 110
"""Width of explanations in columns; readers of Markdown do not wrap code."""
_HEADLINES: Mapping[OverallVerdict, str] = {
    "pass": "✅ PASS",
    "partial": "⚠️ NOT DECIDED",
    "fail": "❌ FAIL",
    "uncertain": "❌ UNCERTAIN",
    "incomplete": "❌ INCOMPLETE",
    "not judged": "❌ NOT JUDGED",
    "interrupted": "❌ INTERRUPTED",
}
_MARKS: dict[Label, str] = {
    "NOT RUN": "⚠️",
    "WARN": "⚠️",
    "INFO": "ℹ️",
    "ALLOWED": "➖",
    "SKIP": "➖",
    "PASS": "✅",
}
"""Marks of demands that do not block."""


@dataclass(frozen=True, slots=True)
class Run:
    """A record with what its summary needs from outside.

    Attributes:
        record: the record.
        comparison: the changes from a baseline, if compared.
        notes: notes on the comparison, for example the reason against one.
    """

    record: Record
    comparison: Comparison | None = None
    notes: tuple[str, ...] = ()


def compared_run(run: StoredRun, baseline: StoredRun | None) -> Run:
    """Return a run with its changes from a baseline, if comparable."""
    if baseline is None:
        return Run(run.record)
    try:
        return Run(run.record, compare(baseline, run))
    except UserError as why:
        return Run(run.record, notes=(str(why),))


def markdown_summary(runs: Sequence[Run], *, page: str = "", url: str = "") -> str:
    """Return a summary for GitHub, GitLab and other readers of Markdown.

    Each run has a line with its verdict, a table of at most ten unmet demands, all demands folded, and the
    command that repeats it. What does not fit into `LARGEST` bytes is cut from the end, and the last line
    reports what was cut.

    Args:
        runs: the runs, at least one.
        page: path of the report page, if written.
        url: address of the report page, if known.
    """
    sections = [_Section(run, url) for run in runs]
    beginning = _beginning(sections)
    link = _link(page, url)
    room = LARGEST - _RESERVE - _size(beginning, link)
    kept: list[_Section] = []
    for section in sections:
        room -= _size(section.head, section.command)
        if room < 0:
            break
        kept.append(section)
    room = max(room, 0) if len(kept) == len(sections) else 0
    paragraphs, cuts = [beginning], []
    for section in kept:
        details, cut = section.folded(room)
        room -= _size(details)
        paragraphs += [section.head, link if section is kept[0] and len(runs) == 1 else "", details]
        paragraphs.append(section.command)
        cuts += [f"{code(section.record.model.name)}: {cut}"] if cut else []
    if len(kept) < len(sections):
        cuts.append(f"the last {len(sections) - len(kept)} of {len(sections)} runs")
    paragraphs += [link if len(runs) > 1 else "", _closing(cuts)]
    return "\n\n".join(filter(None, paragraphs)) + "\n"


def markdown_link(text: str, url: str) -> str:
    """Return a link; characters of the address that could end it are encoded."""
    return f"[{text}](<{quote(url, safe=_SAFE)}>)"


_SAFE = ":/?#[]@!$&'*+,;=%~-._"


def _size(*texts: str) -> int:
    return sum(len(text.encode()) + 2 for text in texts)


def _beginning(sections: Sequence[_Section]) -> str:
    """Return the verdict of several runs in a line; empty for a single one."""
    if len(sections) == 1:
        return ""
    passed = sum(section.record.overall_verdict == "pass" for section in sections)
    mark = "✅" if passed == len(sections) else "❌"
    return f"## {mark} quba-check: {passed} of {len(sections)} runs may be released"


def _link(page: str, url: str) -> str:
    if url:
        return markdown_link("Report page", url)
    return f"Report page: {code(page, longest=_LONGEST_REASON)}" if page else ""


def _closing(cuts: Sequence[str]) -> str:
    """Return the last line, about what was cut; at most `_RESERVE` bytes."""
    if not cuts:
        return ""
    line = f"*Cut to {LARGEST // 1000} kB. Missing here, but in the record: {'; '.join(cuts)}.*"
    if _size(line) <= _RESERVE:
        return line
    return f"*Cut to {LARGEST // 1000} kB. Missing here, but in the record: parts of {len(cuts)} runs.*"


@dataclass(slots=True)
class _Section:
    """The texts of one run.

    Attributes:
        run: the run.
        url: address of the report page; empty if unknown.
        head: verdict line and table of unmet demands.
        command: the command that repeats the run, as a block.
    """

    run: Run
    url: str
    head: str = field(init=False)
    command: str = field(init=False)

    def __post_init__(self) -> None:
        self.head = "\n\n".join(filter(None, self._head()))
        self.command = f"Repeat this run:\n\n{code_block([shlex.join(gate_command(self.record))], 'sh')}"

    @property
    def record(self) -> Record:
        """The run's record."""
        return self.run.record

    def folded(self, room: int) -> tuple[str, str]:
        """Return all demands, explanations and notes as a folded part of at most `room` bytes.

        Returns:
            The text, and in words what was cut from its end.
        """
        rows, lines = list(self._rows(self.record.verdicts)), list(self._lines())
        text = self._fold(rows, lines)
        if _size(text) <= room:
            return text, ""
        n_lines = bisect(range(len(lines)), room, key=lambda count: _size(self._fold(rows, lines[:count])))
        if n_lines:
            cut = f"{len(lines) - n_lines + 1} of {len(lines)} lines of explanations and notes"
            return self._fold(rows, lines[: n_lines - 1]), cut
        n_rows = bisect(range(len(rows)), room, key=lambda count: _size(self._fold(rows[:count], [])))
        if n_rows > 1:
            cut = f"{len(rows) - n_rows + 1} of {len(rows)} demands, and all explanations"
            return self._fold(rows[: n_rows - 1], []), cut
        return "", f"all {len(rows)} demands and explanations in the folded part"

    def _head(self) -> Iterator[str]:
        record = self.record
        grades = [
            f"grade {code(grade.letter + (f' ({spans})' if (spans := letters_text(grade)) else ''))}"
            for grade in record.grades
            if grade.letter is not None
        ]
        yield " · ".join(
            [
                f"### {_HEADLINES[record.overall_verdict]}: {code(record.model.name)}",
                summary_line(record),
                *(limited_words(record) if record.overall_verdict == "pass" else ()),
                *dict.fromkeys(grades),
            ]
        )
        yield from (code(line, 300) for line in warning_lines(record))
        unmet = sorted(
            (row for row in record.verdicts if not row.is_met),
            key=lambda row: (not row.blocks, LABELS.index(label(row))),
        )
        if unmet:
            yield self._table(list(self._rows(unmet[:MOST_FAILED], links=True)))
        if len(unmet) > MOST_FAILED:
            yield f"… and {len(unmet) - MOST_FAILED} more, listed below."
        yield from (f"Not compared with the baseline: {code(note, 300)}" for note in self.run.notes)

    def _columns(self) -> list[str]:
        verdicts = self.record.verdicts
        levels = {f"{100 * row.confidence:g}" for row in verdicts}
        interval = f"{levels.pop()} % interval" if len(levels) == 1 else "interval"
        columns = ["verdict", "demand", "bound", "value", interval, "missed"]
        if self.run.comparison is not None:
            columns.append(f"change from {code(self.run.comparison.before.file, 40)}")
        elif any(row.bound.endswith("drop") for row in verdicts):
            columns.append("change")
        return columns

    def _table(self, rows: Sequence[str]) -> str:
        columns = self._columns()
        return "\n".join([table_row(columns), table_row(["---"] * len(columns)), *rows])

    def _rows(self, verdicts: Sequence[VerdictRow], *, links: bool = False) -> Iterator[str]:
        width = len(self._columns())
        for row in verdicts:
            cells = demand_cells(row, self.record, self.run.comparison)
            mark = "❌" if row.blocks else _MARKS[label(row)]
            name = code(row.target)
            if links and self.url and "#" not in self.url:  # the page opens the demand that its address names
                name = markdown_link(name, f"{self.url}#d={quote(row.target, safe='')}")
            yield table_row([f"{mark} {label(row)}", name, *_texts(cells)][:width])

    def _lines(self) -> Iterator[str]:
        """Yield explanations of unmet demands, grades and notes, as the terminal shows them."""
        return (part for line in self._messages() for part in wrap_line(line, _WIDTH) or [""])

    def _messages(self) -> Iterator[str]:
        record = self.record
        for verdict in sorted(record.verdicts, key=lambda row: LABELS.index(label(row))):
            if verdict.message:
                yield from f"{label(verdict)}: {verdict.message}".splitlines()
        yield from (grade_line(grade, record) for grade in record.grades)
        yield from record_notes(record)
        if self.run.comparison is not None:
            yield from self.run.comparison.notes

    def _fold(self, rows: Sequence[str], lines: Sequence[str]) -> str:
        count = len(self.record.verdicts)
        title = f"All {count} demands" if count != 1 else "The demand"
        summary = f"<details><summary>{title}, explanations and notes</summary>"
        table = self._table(rows) if rows else ""
        block = code_block(lines) if lines else ""
        return "\n\n".join(filter(None, [summary, table, block, "</details>"]))


def _texts(cells: DemandCells) -> list[str]:
    """Return the cells of a demand as Markdown."""
    gap = code(cells.gap, _LONGEST_REASON) if cells.has_reason else cells.gap
    if gap != NONE and not cells.has_reason:
        gap = f"**{gap}**"
    spans = [NONE if text == NONE else code(text) for text in (cells.bound, cells.value, cells.interval)]
    return [*spans, gap, cells.change]
