"""A comparison of two runs: as a table, as JSON, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group
from rich.table import Table
from rich.text import Text

from quba_check.figures import figure, interval_text, told_apart
from quba_check.protocol.comparison import ChangeRow, Comparison
from quba_check.reports.plain import plain_text

FORMATS = ("table", "json", "markdown")
_STYLES = {"better": "green", "worse": "bold red", "within noise": "dim", "same": "dim", "unknown": "dim"}
_HEADINGS = ("dimension", "before", "after", "change", "interval", "finding", "lost/gained", "p")


def comparison_table(comparison: Comparison, *, parts: bool) -> Group:
    """The comparison for a terminal.

    Args:
        comparison: what to tell.
        parts: show the parts of dimensions too.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in _HEADINGS:
        table.add_column(heading, no_wrap=True)
    for row in _shown(comparison, parts=parts):
        name, *cells = _cells(row)
        finding = Text(row.finding if row.better else "-", style=_STYLES[row.finding])
        table.add_row(name, *cells[:4], finding, *cells[5:])
    notes = (Text(note, style="yellow") for note in comparison.notes)
    return Group(Text(_title(comparison), style="bold"), table, *notes)


def comparison_json(comparison: Comparison) -> str:
    """The whole comparison as indented JSON, numbers at full precision."""
    return comparison.model_dump_json(indent=2) + "\n"


def comparison_markdown(comparison: Comparison, *, parts: bool) -> str:
    """The comparison as a Markdown table, for a comment on a change."""
    lines = [
        f"### {_escaped(_title(comparison))}",
        "",
        f"| {' | '.join(_HEADINGS)} |",
        f"|{' --- |' * len(_HEADINGS)}",
        *(f"| {' | '.join(map(_escaped, _cells(row)))} |" for row in _shown(comparison, parts=parts)),
    ]
    notes = [f"- {_escaped(note)}" for note in comparison.notes]
    return "\n".join([*lines, *([""] if notes else []), *notes]) + "\n"


def comparison_text(comparison: Comparison, kind: str, *, parts: bool) -> str:
    """The comparison in one of `FORMATS`."""
    if kind == "json":
        return comparison_json(comparison)
    if kind == "markdown":
        return comparison_markdown(comparison, parts=parts)
    return plain_text(comparison_table(comparison, parts=parts))


def _title(comparison: Comparison) -> str:
    before, after = comparison.before, comparison.after
    return f"{before.model} → {after.model} on {comparison.suite}, protocol {comparison.protocol}"


def _shown(comparison: Comparison, *, parts: bool) -> Iterator[ChangeRow]:
    return (row for row in comparison.changes if parts or row.part is None)


def _cells(row: ChangeRow) -> list[str]:
    before, after = told_apart(row.before, row.after, row.unit)
    interval, unpaired = "-", ""
    if row.interval is not None:
        interval = interval_text(row.interval, row.unit, row.n, write=_signed)
        unpaired = "" if row.paired else " (unpaired)"
    return [
        row.dimension if row.part is None else f"  {row.part}",
        before,
        after,
        _signed(row.change, row.unit),
        f"{interval}{unpaired}",
        row.finding if row.better else "-",
        "-" if row.lost is None else f"{row.lost:,}/{row.gained:,}",
        "-" if row.p is None else f"{row.p:.2g}",
    ]


def _signed(value: float, unit: str) -> str:
    text = figure(value, unit)
    return text if value < 0 or not any(digit in "123456789" for digit in text) else f"+{text}"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").strip()
