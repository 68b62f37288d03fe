"""`quba-check what-if`: stored runs judged by other threshold files, without model or images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.text import Text

from quba_check.cli.files import Place, facts_of, read_run, stated_baseline, write_output
from quba_check.cli.parser import INPUT, store_option, value_option
from quba_check.core.grade import Grade
from quba_check.errors import OptionError
from quba_check.gate.threshold_files import thresholds_at
from quba_check.messages import grouped, listed
from quba_check.records.verdict import EXIT_CODES, worst_verdict
from quba_check.reports.cells import name_cell
from quba_check.reports.tables import table_text, wrapped
from quba_check.reports.verdict_labels import LOOKS, label, verdict_words
from quba_check.tuning.what_if import WhatIf
from quba_check.tuning.what_if import what_if as judge_run
from quba_check.verdicts import Verdict


@click.command("what-if", epilog="Example: quba-check what-if demo.json thresholds/*.yaml")
@click.argument("paths", nargs=-1, required=True, type=INPUT, metavar="FILE...")
@value_option(
    "--baseline",
    "RECORD.json",
    "record that max_drop and max_relative_drop compare with (else 'baseline' of the threshold file)",
    INPUT,
)
@store_option
def what_if(paths: tuple[Path, ...], baseline: Path | None, store: Place) -> int:
    """Judge stored runs by other threshold files, without model or images.

    FILE: records (.json) and threshold files (.yaml). The exit code is that of the gate for the most severe
    verdict. 0: every run would be released by every file. 1: a demand failed. 2: a run was interrupted. 5: no
    demand was judged. 6: a demand is not shown to be met.
    """
    records = [path for path in paths if path.name.endswith(".json")]
    files = [path for path in paths if path not in records]
    if not records or not files:
        raise OptionError(
            "needs records and threshold files",
            where="quba-check what-if",
            got=f"only {listed(map(str, paths))}",
            allowed="at least one of each, such as quba-check what-if run.json thresholds/*.yaml",
        )
    names = [file.name for file in files]
    headings = [file.name if names.count(file.name) == 1 else str(file) for file in files]
    overall = []
    before = read_run(baseline, store) if baseline else None
    for path in records:
        run = read_run(path, store)
        facts = facts_of(run.record)
        thresholds = [thresholds_at(file, facts) for file in files]
        judged = [judge_run(run, each, before or stated_baseline(each, store)) for each in thresholds]
        write_output(what_if_text(headings, judged))
        overall += [judged_file.record.overall_verdict for judged_file in judged]
    return EXIT_CODES[worst_verdict(overall)]


_RELEASED = {"pass": "yes", "pass with waivers": "yes, waived"}
WIDTH = 80
"""Columns at which reasons below the table are wrapped."""


def what_if_text(headings: Sequence[str], judged: Sequence[WhatIf]) -> str:
    """Return a table with a column for each file, and the reasons below.

    Args:
        headings: names of the files.
        judged: their verdicts on the run.
    """
    cells: dict[str, list[Text]] = {}
    titles: dict[str, str] = {}
    for column, judged_file in enumerate(judged):
        for verdict, verdict_row in zip(judged_file.verdicts, judged_file.record.verdicts, strict=True):
            outcome = label(verdict_row)
            titles.setdefault(verdict_row.name, verdict_row.title)
            row = cells.setdefault(verdict_row.name, [Text("-", "dim")] * len(judged))
            caveat = " (other suite)" if _other_suite(verdict) else ""
            text = f"{outcome} {verdict.demand.bound_text}{caveat}"
            row[column] = Text(text, style=LOOKS[outcome].style)
    rows: list[Sequence[str | Text]] = [(name_cell(name, titles[name]), *row) for name, row in cells.items()]
    released = (_RELEASED.get(verdict_words(judged_file.record), "no") for judged_file in judged)
    rows.append([Text(word, "bold") for word in ("released", *released)])
    record = judged[0].record
    heading = f"{record.model.name} on {record.suite.name}, protocol {record.protocol}\n"
    return heading + table_text(("demand", *headings), rows) + wrapped(_reasons(headings, judged), WIDTH)


def _other_suite(verdict: Verdict) -> str:
    """Return the caveat of a grade from another suite's population, or an empty text."""
    return verdict.evidence.other_suite if isinstance(verdict.evidence, Grade) and not verdict.reason else ""


def _sentence(verdict: Verdict) -> str:
    """Return the reason for a verdict without usable value, or the caveat of a grade.

    Empty if there is neither.
    """
    caveat = _other_suite(verdict)
    if caveat:
        return f"compares suites: {caveat}"
    if not verdict.reason or verdict.value is not None:
        return verdict.reason and f"is {verdict.reason}"
    return f"{'was skipped' if verdict.outcome == 'skipped' else 'could not be judged'}: {verdict.reason}"


def _reasons(headings: Sequence[str], judged: Sequence[WhatIf]) -> Iterator[str]:
    """Yield each reason or caveat once, with its demands and threshold files."""

    def reasons(verdicts: Sequence[Verdict]) -> Iterator[str]:
        names = grouped((_sentence(verdict), verdict.demand.shown_name) for verdict in verdicts)
        return (f"{', '.join(demands)} {reason}" for reason, demands in names.items() if reason)

    each = zip(headings, judged, strict=True)
    files = grouped(
        (text, heading) for heading, judged_file in each for text in reasons(judged_file.verdicts)
    )
    return (f"{', '.join(named)}: {sentence}" for sentence, named in files.items())
