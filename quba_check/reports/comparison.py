"""A comparison of two runs as a table, JSON or Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from rich.text import Text

from quba_check.comparison.compare import ChangeRow, Comparison
from quba_check.core.request import target_name
from quba_check.number_format import UNIT_SIGNS, format_distinct, format_value, interval_text
from quba_check.reports.cells import NONE, signed_value
from quba_check.reports.tables import code, code_block, json_text, markdown_table, table_text, wrapped

_STYLES = {"better": "green", "worse": "bold red", "within noise": "dim", "same": "dim", "unknown": "dim"}
_HEADINGS = ("dimension", "before", "after", "change", "interval", "finding", "lost/gained", "p")
WIDTH = 80
"""Columns at which the lines around the table are wrapped."""
_UNPAIRED = "*"
_LONGEST = 10
"""Largest length of a value with extra decimals; longer ones get the usual decimals."""


def comparison_table(comparison: Comparison, rows: Sequence[ChangeRow]) -> str:
    """Return the comparison for a terminal.

    Notes below the table count the images that only one model classifies correctly.

    Args:
        comparison: the comparison.
        rows: the changes to show.
    """
    heading = filter(None, (answers_line(comparison), _title(comparison)))
    table = table_text(_HEADINGS[:6], map(_short_cells, rows), right=_HEADINGS[1:4])
    return wrapped(heading, WIDTH) + table + wrapped([*_notes(rows), *comparison.all_notes], WIDTH)


def _short_cells(row: ChangeRow) -> tuple[str | Text, ...]:
    """Return name with unit, before, after, change, interval and finding."""
    name, before, after, change, interval, finding, *_ = change_cells(row, unpaired=_UNPAIRED)
    if max(len(before), len(after)) > _LONGEST:
        before, after = format_value(row.before, row.unit), format_value(row.after, row.unit)
    sign = UNIT_SIGNS.get(row.unit, "")
    unit = sign and f" ({sign.strip()})"
    numbers = (number.removesuffix(sign) for number in (before, after, change))
    styled = Text(finding, style=_STYLES[row.finding])
    return (name + unit, *numbers, interval, styled)


def _notes(rows: Sequence[ChangeRow]) -> Iterator[str]:
    shares = [row for row in rows if row.lost is not None and row.p is not None]
    if shares:
        yield "images that only one model classifies correctly, with McNemar's p:"
    for row in shares:
        name = target_name(row.dimension, row.part)
        yield f"  {name}: {row.lost:,} lost, {row.gained:,} gained, p = {row.p:.2g}"
    if any(row.interval is not None and not row.paired for row in rows):
        yield f"{_UNPAIRED}: unpaired, from the intervals of both values"


def answers_line(comparison: Comparison) -> str:
    """Return the agreement and the changed answers in a line; empty if unknown."""
    answers = comparison.answers
    if comparison.same_predictions:
        return "the same predictions: every change is exactly 0"
    if answers is None:
        return ""
    interval = interval_text(answers.interval, "fraction", answers.images)
    return (
        f"agreement {format_distinct(answers.agreement, 1.0, 'fraction')[0]}{interval and f' ({interval})'}: "
        f"{answers.changed:,} of {answers.images:,} answers changed: {answers.lost:,} lost, "
        f"{answers.gained:,} gained, {answers.wrong_to_wrong:,} wrong to wrong"
    )


def comparison_markdown(comparison: Comparison, rows: Iterable[ChangeRow]) -> str:
    """Return the comparison as a Markdown table."""
    lines = [f"### {_title(comparison, code)}", ""]
    lines += [code(answers, 300), ""] if (answers := answers_line(comparison)) else []
    cells = ((code(name), *others) for name, *others in map(change_cells, rows))
    lines.append(markdown_table(_HEADINGS, cells))
    notes = ["", code_block(comparison.all_notes)] if comparison.all_notes else []
    return "\n".join([*lines, *notes]) + "\n"


def comparison_text(comparison: Comparison, kind: str, *, parts: bool) -> str:
    """Return the comparison as `table`, `json` or `markdown`."""
    if kind == "json":
        return json_text(comparison.model_dump(mode="json"), is_ascii=True)
    rows = [row for row in comparison.changes if parts or row.part is None]
    write = comparison_markdown if kind == "markdown" else comparison_table
    return write(comparison, rows)


def _title(comparison: Comparison, write: Callable[[str], str] = str) -> str:
    before, after, suite = map(write, (comparison.before.model, comparison.after.model, comparison.suite))
    return f"{before} → {after} on {suite}, protocol {comparison.protocol}"


def change_cells(row: ChangeRow, between: str = "..", unpaired: str = " (unpaired)") -> list[str]:
    """Return name, before, after, change, interval, finding, lost and gained images, and p as texts.

    Args:
        row: the change.
        between: separates the limits of the interval.
        unpaired: ends an unpaired interval.
    """
    before, after = format_distinct(row.before, row.after, row.unit)
    interval = interval_text(row.interval, row.unit, row.n, write=signed_value, between=between)
    if interval and not row.paired:
        interval += unpaired
    return [
        row.dimension if row.part is None else f"  {row.part}",
        before,
        after,
        signed_value(row.change, row.unit),
        interval or NONE,
        row.finding if row.better else NONE,
        NONE if row.lost is None else f"{row.lost:,}/{row.gained:,}",
        NONE if row.p is None else f"{row.p:.2g}",
    ]
