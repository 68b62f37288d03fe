"""The approvals of a baseline as a table, JSON or Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quba_check.number_format import counted, format_value
from quba_check.records.baselines import approved_values
from quba_check.reports.cells import NONE, interval_cell
from quba_check.reports.tables import code, json_text, markdown_table, table_text

_HEADINGS = ("number", "approved", "model", "by", "value", "interval")


def history_text(name: str, approvals: Sequence[Mapping[str, Any]], kind: str, width: int) -> str:
    """Return the numbers behind the demands at each approval of a baseline.

    Args:
        name: name of the baseline.
        approvals: the lines of its history.
        kind: `table`, `json` or `markdown`.
        width: columns to which a table cuts the names of models and people.
    """
    if kind == "json":
        return json_text({"baseline": name, "approvals": approvals}, is_ascii=True)
    title = f"{name}: {counted(len(approvals), 'approval')}"
    values = [*map(approved_values, approvals)]
    rows = []
    for number in dict.fromkeys(target for of_line in values for target in of_line) or [NONE]:
        for line, of_line in zip(approvals, values, strict=True):
            time, *who = (str(line.get(key, NONE)) for key in ("time", "model", "by"))
            cells = [NONE, NONE]
            row = of_line.get(number)
            if row is not None:
                cells = [format_value(row.value, row.unit), interval_cell(row) or NONE]
            rows.append([number, time[:10], *who, *cells])
    if kind == "markdown":
        return f"### {code(title)}\n\n{markdown_table(_HEADINGS, [[*map(code, row)] for row in rows])}\n"
    table = table_text(_HEADINGS, rows, right=["value"], cut=["model", "by"], width=width)
    return f"{title}\n{table}"
