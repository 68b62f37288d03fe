"""`quba-check verdict`: the verdict of stored runs, with the exit code of the gate."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from quba_check.cli.files import Place, check_waivers, stated_baseline
from quba_check.cli.parser import INPUT, Checked, records_argument, store_option, value_option
from quba_check.comparison.stored_run import stored_run
from quba_check.demands.demand import Thresholds
from quba_check.errors import OptionError, UserError
from quba_check.gate.options import Given
from quba_check.gate.provenance import is_record_of
from quba_check.gate.threshold_files import thresholds_at
from quba_check.messages import listed, one_line
from quba_check.models.parsing import parse_spec
from quba_check.records.files import load_record
from quba_check.records.record import Record
from quba_check.records.verdict import EXIT_CODES, worst_verdict
from quba_check.reports.verdict_labels import origin_line, release_line, summary_line, warning_lines
from quba_check.tuning.record_facts import suite_facts
from quba_check.tuning.what_if import what_if
from quba_check.verdicts.stored_verdicts import RUN_AGAIN, check_verdicts

UNIX_TIME = re.compile(r"\d{9,10}(\.\d+)?")
"""Seconds since 1970; fewer or more digits are dates without separators, or milliseconds."""


def parse_time(given: Given) -> datetime:
    """Return a time with its offset, without fractions of a second."""
    text = given.value
    try:
        is_unix = UNIX_TIME.fullmatch(text)
        time = datetime.fromtimestamp(float(text), UTC) if is_unix else datetime.fromisoformat(text)
    except ValueError:
        time = datetime.min
    if time.tzinfo is None or (text.isdecimal() and not is_unix):
        iso = "ISO 8601 with the offset from UTC, such as 2026-01-31T12:00:00Z"
        raise OptionError(
            where=given.flag,
            got=f"'{text}'",
            allowed=f"seconds since 1970, as date +%s prints them, or {iso}",
        )
    return time.replace(microsecond=0)


@click.command("verdict", epilog="Example: quba-check verdict demo.json")
@records_argument
@value_option(
    "--model models",
    "SPEC",
    "refuse records of other models; a file or folder is compared by its content (repeatable)",
    multiple=True,
)
@value_option(
    "--since",
    "TIME",
    "refuse records of runs that ended before: ISO 8601, or seconds since 1970",
    Checked(parse_time),
)
@value_option("--thresholds", "FILE.yaml", "judge by this file, not the stored verdicts", INPUT)
@store_option
def verdict(
    paths: tuple[Path, ...],
    models: tuple[str, ...],
    since: datetime | None,
    thresholds: Path | None,
    store: Place,
) -> int:
    """Print the verdict of stored runs.

    Exit code 0: every run allows the release of its model. 1: a demand failed or has no verdict, or not all
    demands of the file were selected. 2: interrupted. 4: a record is missing, damaged, edited, of another
    model or too old. 5: no demand was judged. 6: a demand is not shown to be met.
    """
    records = {path: load_record(path)[0] for path in paths}
    skips = {path: check_verdicts(record, str(path)) for path, record in records.items()}
    _check_models(records, models)
    for path, record in records.items():
        _check_time(record, path, since)
        check_waivers(record, path)
    overall = []
    for path, stored in records.items():
        record = stored
        unconfirmed = skips[path]
        if thresholds is not None:
            run = stored_run(path, str(path), stored, store)
            by_file = thresholds_at(thresholds, suite_facts(stored))
            _check_bounds(stored, path, by_file)
            unconfirmed = ()
            record = what_if(run, by_file, stated_baseline(by_file, store)).record
        heading = f"{record.model.name} on {record.suite.name}, protocol {record.protocol}"
        reasons = (row.explanation.headline or row.shown_name for row in record.verdicts if row.blocks)
        lines = [heading, origin_line(record), *warning_lines(record), *(f"  {text}" for text in reasons)]
        lines.append(summary_line(record))
        if unconfirmed:
            names = listed(row.shown_name for row in unconfirmed)
            lines.append(f"skipped without a baseline, which the record alone cannot confirm: {names}")
        lines.append(release_line(record))
        sys.stdout.writelines(f"{one_line(line)}\n" for line in lines)
        overall.append(record.overall_verdict)
    return EXIT_CODES[worst_verdict(overall)]


def _check_models(records: dict[Path, Record], models: tuple[str, ...]) -> None:
    """Refuse records of other models, and models without a record.

    Raises:
        UserError: a record is of none of the models, or a model has none.
    """
    specs = [parse_spec(text) for text in models]
    for path, record in records.items():
        if specs and not any(is_record_of(record, spec) for spec in specs):
            raise UserError(
                "is a record of another model",
                where=f"{path}",
                got=f"'{record.model.spec}'",
                allowed=f"a record of {listed(models)} as it is now",
                hint=RUN_AGAIN,
            )
    for spec in specs:
        if not any(is_record_of(record, spec) for record in records.values()):
            raise UserError(
                f"there is no record of '{spec.text}'. Name all records of its run.", where="--model"
            )


def _check_bounds(record: Record, path: Path, thresholds: Thresholds) -> None:
    """Refuse a record of the same threshold file with other bounds.

    Raises:
        UserError: the file and those that it extends are inputs of the run, but their demands are others.
    """
    digests = {row.sha256: row.demands for row in record.inputs}
    is_same_file = {row.sha256 for row in thresholds.inputs} <= digests.keys()
    threshold_file = thresholds.inputs[0]
    if is_same_file and digests[threshold_file.sha256] != threshold_file.demands:
        raise UserError(
            f"its demands are not those of {thresholds.label}, which it names as its threshold file",
            where=f"{path}",
            hint=RUN_AGAIN,
        )


def _check_time(record: Record, path: Path, since: datetime | None) -> None:
    """Refuse the record of a run that ended before a time.

    Raises:
        UserError: it did, or its time is not known.
    """
    if since is None:
        return
    try:
        is_older = datetime.fromisoformat(record.environment.time) < since
    except (ValueError, TypeError):  # not a time, or one without an offset
        is_older = True
    if is_older:
        raise UserError(
            "is of an earlier run",
            where=f"{path}",
            got=f"the time {record.environment.time}",
            allowed=f"{since.isoformat()} or later",
            hint=RUN_AGAIN,
        )
