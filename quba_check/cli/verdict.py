"""`quba-check verdict`: the verdict of stored runs, with the exit code of the gate."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quba_check.cli.parser import INPUT, store_option
from quba_check.errors import UserError
from quba_check.outside_text import one_line

if TYPE_CHECKING:
    from quba_check.records.record import Record


@click.command(
    "verdict",
    short_help="print the verdict of stored runs, with the exit code of the gate",
    epilog="Example: quba-check verdict demo.json",
)
@click.argument("paths", nargs=-1, required=True, type=INPUT, metavar="RECORD.json...")
@click.option(
    "--thresholds",
    type=INPUT,
    metavar="FILE.yaml",
    help="judge by this file, not the stored verdicts",
)
@store_option
def verdict(paths: tuple[Path, ...], thresholds: Path | None, store: str | Path | None) -> int:
    """Print the verdict of stored runs.

    Exit code 0: every run allows the release of its model. 1: a demand failed or has no verdict, or not all
    demands of the file were selected. 2: interrupted. 4: a record is missing or damaged. 5: no demand was
    judged. 6: a demand is not shown to be met.
    """
    from quba_check.records.files import read_record
    from quba_check.records.verdict import EXIT_CODES
    from quba_check.reports.verdict_labels import release_line, summary_line

    overall = []
    for path in paths:
        record = read_record(path)
        if thresholds is not None:
            record = _judge_again(record, path, thresholds, store)
        elif "unselected" not in record.model_fields_set:
            raise UserError(
                f"{path}: an earlier version wrote this record, without the number of demands that were not "
                "selected. Run the gate again, or name a threshold file with --thresholds FILE.yaml."
            )
        heading = f"{record.model.name} on {record.suite.name}, protocol {record.protocol}"
        reasons = [f"  {line}" for line in _reasons(record)]
        lines = [heading, *reasons, summary_line(record), release_line(record)]
        sys.stdout.writelines(f"{one_line(line)}\n" for line in lines)
        overall.append(record.overall_verdict)
    return EXIT_CODES[max(overall, key=list(EXIT_CODES).index)]


def _judge_again(record: Record, path: Path, file: Path, store: str | Path | None) -> Record:
    """Return the record with the verdicts of another threshold file."""
    from quba_check.comparison.stored_run import stored_run
    from quba_check.gate.threshold_files import thresholds_at
    from quba_check.storage.places import default_place
    from quba_check.tuning.record_facts import suite_facts
    from quba_check.tuning.what_if import what_if
    from quba_check.verdicts.explanation import verdict_row

    run = stored_run(path, str(path), record, store or default_place())
    thresholds = thresholds_at(file, suite_facts(record))
    verdicts = what_if(run, thresholds).verdicts
    rows = tuple(verdict_row(verdict, f"{thresholds.shown}::{verdict.demand.name}") for verdict in verdicts)
    return record.model_copy(update={"verdicts": rows, "unselected": 0})


def _reasons(record: Record) -> Iterator[str]:
    """Return the first line of each blocking demand's message."""
    return (row.message.partition("\n")[0] or row.name for row in record.verdicts if row.blocks)
