"""`quba-check what-if`: stored runs judged by other threshold files, without model or images."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quba_check.cli.parser import INPUT, store_option
from quba_check.errors import OptionError
from quba_check.messages import listed

if TYPE_CHECKING:
    from quba_check.tuning.what_if import WhatIf
    from quba_check.verdicts import Verdict

WIDTH = 80
"""Columns at which reasons below the table are wrapped."""


@click.command(
    "what-if",
    short_help="judge stored runs by other threshold files",
    epilog="Example: quba-check what-if demo.json thresholds/*.yaml",
)
@click.argument("paths", nargs=-1, required=True, type=INPUT, metavar="FILE...")
@click.option(
    "--baseline",
    "baseline_path",
    type=INPUT,
    metavar="RECORD.json",
    help="record that max_drop and max_relative_drop compare with",
)
@store_option
def what_if(paths: tuple[Path, ...], baseline_path: Path | None, store: str | Path | None) -> int:
    """Judge stored runs by other threshold files, without model or images.

    FILE: records (.json) and threshold files (.yaml). The exit code is that of the gate for the most severe
    verdict. 0: every run would be released by every file. 1: a demand failed. 2: a run was interrupted. 5: no
    demand was judged. 6: a demand is not shown to be met.
    """
    from rich.text import Text

    from quba_check.comparison.stored_run import StoredRun, stored_run
    from quba_check.gate.threshold_files import thresholds_at
    from quba_check.records.files import read_record
    from quba_check.records.verdict import EXIT_CODES, worst_verdict
    from quba_check.reports.tables import table_text, wrap_line
    from quba_check.reports.verdict_labels import STYLES, label
    from quba_check.storage.places import default_place
    from quba_check.tuning.record_facts import suite_facts
    from quba_check.tuning.what_if import what_if as judge_run

    records = [path for path in paths if path.name.endswith(".json")]
    files = [path for path in paths if path not in records]
    if not records or not files:
        raise OptionError(
            f"quba-check what-if: needs records and threshold files, got only {listed(map(str, paths))}. "
            "Allowed: at least one of each, such as quba-check what-if run.json thresholds/*.yaml."
        )
    names = [file.name for file in files]
    headings = [file.name if names.count(file.name) == 1 else str(file) for file in files]
    overall = []
    folder = store or default_place()

    def read_run(path: Path) -> StoredRun:
        return stored_run(path, str(path), read_record(path), folder)

    baseline = read_run(baseline_path) if baseline_path else None
    for path in records:
        run = read_run(path)
        record = run.record
        judged = [judge_run(run, thresholds_at(file, suite_facts(record)), baseline) for file in files]
        cells: dict[str, list[Text]] = {}
        for column, judged_file in enumerate(judged):
            for verdict, verdict_row in zip(judged_file.verdicts, judged_file.record.verdicts, strict=True):
                outcome = label(verdict_row)
                row = cells.setdefault(verdict.demand.name, [Text("-", "dim")] * len(judged))
                caveat = " (other suite)" if _other_suite(verdict) else ""
                row[column] = Text(
                    f"{outcome} {verdict.demand.threshold_text}{caveat}", style=STYLES[outcome]
                )
        outcomes = [judged_file.record.overall_verdict for judged_file in judged]
        released = [Text("yes" if outcome == "pass" else "no", "bold") for outcome in outcomes]
        rows: list[Sequence[str | Text]] = [(name, *row) for name, row in cells.items()]
        rows.append((Text("released", "bold"), *released))
        sys.stdout.write(f"{record.model.name} on {record.suite.name}, protocol {record.protocol}\n")
        sys.stdout.write(table_text(("demand", *headings), rows))
        for reason in _reasons(headings, judged):
            sys.stdout.writelines(f"{line}\n" for line in wrap_line(reason, WIDTH))
        overall += outcomes
    return EXIT_CODES[worst_verdict(overall)]


def _other_suite(verdict: Verdict) -> str:
    """Return the caveat of a grade from another suite's population, or an empty text."""
    from quba_check.core.grade import Grade

    return verdict.evidence.other_suite if isinstance(verdict.evidence, Grade) and not verdict.reason else ""


def _sentence(verdict: Verdict) -> str:
    """Return the reason for a verdict without usable value, or the caveat of a grade.

    Empty if there is neither.
    """
    if caveat := _other_suite(verdict):
        return f"compares suites: {caveat}"
    if not verdict.reason:
        return ""
    if verdict.value is not None:
        return f"is {verdict.reason}"
    return f"{'was skipped' if verdict.outcome == 'skipped' else 'could not be measured'}: {verdict.reason}"


def _reasons(headings: Sequence[str], judged: Sequence[WhatIf]) -> Iterator[str]:
    """Yield each reason or caveat once, with its demands and threshold files."""
    files: dict[str, list[str]] = {}
    for heading, judged_file in zip(headings, judged, strict=True):
        demands: dict[str, list[str]] = {}
        for verdict in judged_file.verdicts:
            if sentence := _sentence(verdict):
                demands.setdefault(sentence, []).append(verdict.demand.name)
        for reason, names in demands.items():
            files.setdefault(f"{', '.join(names)} {reason}", []).append(heading)
    return (f"{', '.join(named)}: {sentence}" for sentence, named in files.items())
