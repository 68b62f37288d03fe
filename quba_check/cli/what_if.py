"""`quba-check what-if`: stored runs judged by other threshold files, without model or images."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quba_check.core.grade import Grade
from quba_check.errors import OptionError, listed
from quba_check.verdicts.explanation import verdict_row

if TYPE_CHECKING:
    from quba_check.tuning.what_if import WhatIf
    from quba_check.verdicts import Verdict


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "what-if",
        help="judge stored runs by other threshold files",
        description="Judge stored runs by other threshold files, without model or images. Exit code 0: every "
        "run would be released by every file, 1: not so.",
    )
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="records (.json) and threshold files (.yaml)"
    )
    parser.add_argument(
        "--baseline", type=Path, metavar="RECORD.json", help="run that max_drop and max_relative_drop look at"
    )
    parser.add_argument("--store", type=Path, metavar="DIR", help="where predictions are kept")
    parser.set_defaults(command=_what_if)


def _what_if(options: argparse.Namespace) -> int:
    from rich.table import Table
    from rich.text import Text

    from quba_check.comparison.compare import StoredRun
    from quba_check.comparison.stored_run import stored_run
    from quba_check.gate.threshold_files import thresholds_at
    from quba_check.records.files import read_record
    from quba_check.reports.styles import STYLES
    from quba_check.reports.tables import plain_text
    from quba_check.reports.verdict_labels import label
    from quba_check.storage.store import default_root
    from quba_check.tuning.record_facts import suite_facts
    from quba_check.tuning.what_if import what_if

    records = [path for path in options.files if path.name.endswith(".json")]
    files = [path for path in options.files if path not in records]
    if not records or not files:
        raise OptionError(
            f"quba-check what-if: got as records {listed(map(str, records)) or 'none'}, as threshold files "
            f"{listed(map(str, files)) or 'none'}. "
            "Allowed: at least one of each, such as quba-check what-if run.json thresholds/*.yaml."
        )
    names = [file.name for file in files]
    headings = [file.name if names.count(file.name) == 1 else str(file) for file in files]
    passes = True
    store = options.store or default_root()

    def stored(path: Path) -> StoredRun:
        return stored_run(path, str(path), read_record(path), store)

    baseline = stored(options.baseline) if options.baseline else None
    for path in records:
        run = stored(path)
        record = run.record
        judged = [what_if(run, thresholds_at(file, suite_facts(record)), baseline) for file in files]
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("demand", no_wrap=True)
        rows: dict[str, list[Text]] = {}
        for place, (heading, found) in enumerate(zip(headings, judged, strict=True)):
            table.add_column(heading, no_wrap=True)
            for verdict in found.verdicts:
                called = label(verdict_row(verdict, verdict.demand.name))
                row = rows.setdefault(verdict.demand.name, [Text("-", "dim")] * len(judged))
                caveat = " (other suite)" if _compares_suites(verdict) else ""
                row[place] = Text(f"{called} {verdict.demand.threshold_text}{caveat}", style=STYLES[called])
        for name, row in rows.items():
            table.add_row(name, *row)
        table.add_row(
            Text("released", "bold"), *(Text("yes" if found.passes else "no", "bold") for found in judged)
        )
        sys.stdout.write(f"{record.model.name} on {record.suite.name}, protocol {record.protocol}\n")
        sys.stdout.write(plain_text(table))
        sys.stdout.writelines(f"{line}\n" for line in _reasons(headings, judged))
        passes &= all(found.passes for found in judged)
    return 0 if passes else 1


def _compares_suites(verdict: Verdict) -> bool:
    """Return whether a grade was judged although its population is of another suite."""
    return isinstance(verdict.evidence, Grade) and bool(verdict.evidence.other_suite) and not verdict.reason


def _sentence(verdict: Verdict) -> str:
    """Return the reason for a verdict without usable value, or the caveat of a grade.

    Empty if there is neither.
    """
    if isinstance(verdict.evidence, Grade) and _compares_suites(verdict):
        return f"compares suites: {verdict.evidence.other_suite}"
    if not verdict.reason:
        return ""
    if verdict.value is not None:
        return f"is {verdict.reason}"
    return f"{'was skipped' if verdict.outcome == 'skipped' else 'could not be measured'}: {verdict.reason}"


def _reasons(headings: Sequence[str], judged: Sequence[WhatIf]) -> Iterator[str]:
    """Yield each reason or caveat once, with its demands and threshold files."""
    files: dict[str, list[str]] = {}
    for heading, found in zip(headings, judged, strict=True):
        demands: dict[str, list[str]] = {}
        for verdict in found.verdicts:
            if sentence := _sentence(verdict):
                demands.setdefault(sentence, []).append(verdict.demand.name)
        for reason, names in demands.items():
            files.setdefault(f"{', '.join(names)} {reason}", []).append(heading)
    return (f"{', '.join(named)}: {sentence}" for sentence, named in files.items())
