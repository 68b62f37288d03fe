"""`quba-check what-if`: stored runs judged by other threshold files, without model or images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from quba_check.commands.console import plain_console
from quba_check.commands.threshold_files import thresholds_at
from quba_check.errors import OptionError, listed


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "what-if",
        help="judge stored runs by other threshold files",
        description="Judge stored runs by other threshold files, without model or images. Exit code 0: every "
        "run would be released by every file, 1: not so.",
    )
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="records (.json) and threshold files (.yaml)"
    )
    parser.add_argument(
        "--baseline", type=Path, metavar="RECORD.json", help="run that max_drop and max_relative_drop look at"
    )
    parser.add_argument("--store", type=Path, metavar="DIR", help="where predictions are kept")
    parser.set_defaults(command=_what_if)


def _what_if(options: argparse.Namespace) -> int:
    from rich.table import Table
    from rich.text import Text

    from quba_check.comparison.compared import StoredRun
    from quba_check.comparison.stored import stored_run
    from quba_check.engine.store import default_root
    from quba_check.reports.files import read_record
    from quba_check.reports.judged import word
    from quba_check.reports.styles import STYLES
    from quba_check.tuning.recorded_suite import suite_facts
    from quba_check.tuning.rejudging import rejudged

    records = [path for path in options.files if path.endswith(".json")]
    files = [Path(path) for path in options.files if not path.endswith(".json")]
    if not records or not files:
        raise OptionError(
            f"quba-check what-if: got as records {listed(records) or 'none'}, as threshold files "
            f"{listed(map(str, files)) or 'none'}. "
            "Allowed: at least one of each, such as quba-check what-if run.json thresholds/*.yaml."
        )
    passes = True
    store = options.store or default_root()

    def stored(path: Path) -> StoredRun:
        """A run; with its answers image by image only where drops are asked for."""
        record = read_record(path)
        return (
            stored_run(path, str(path), record, store) if options.baseline else StoredRun(str(path), record)
        )

    baseline = stored(options.baseline) if options.baseline else None
    for path in records:
        run = stored(Path(path))
        record = run.record
        judged = [rejudged(run, thresholds_at(file, suite_facts(record)), baseline) for file in files]
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("demand", no_wrap=True)
        cells: dict[str, dict[str, Text]] = {}
        for found in judged:
            table.add_column(Path(found.thresholds.shown).name, no_wrap=True)
            for verdict in found.verdicts:
                called = word(verdict.row(""))
                text = Text(f"{called} {verdict.demand.limit_text}", style=STYLES[called])
                cells.setdefault(verdict.demand.name, {})[found.thresholds.shown] = text
        for name, row in cells.items():
            table.add_row(name, *(row.get(found.thresholds.shown, Text("-", "dim")) for found in judged))
        table.add_row(
            Text("released", "bold"), *(Text("yes" if found.passes else "no", "bold") for found in judged)
        )
        console = plain_console()
        console.print(f"{record.model.name} on {record.suite.name}, protocol {record.protocol}")
        console.print(table)
        for found in judged:
            for verdict in found.verdicts:
                if verdict.reason:
                    console.print(f"{found.thresholds.shown}: {verdict.explain().splitlines()[0]}")
        passes &= all(found.passes for found in judged)
    return 0 if passes else 1
