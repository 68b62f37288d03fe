"""`quba-check export`: stored runs as a table, or as runs of MLflow."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from quba_check.cli.files import check_not_read, write_output
from quba_check.cli.parser import INPUT, format_option, output_option, records_argument
from quba_check.errors import OptionError, UserError
from quba_check.exports.mlflow import LARGEST_FILE, export_run, open_experiment
from quba_check.exports.tables import csv_table, parquet_table
from quba_check.number_format import counted
from quba_check.records.files import read_record, write_bytes
from quba_check.storage.user_files import read_bytes

PARQUET, MLFLOW = "parquet", "mlflow"
TRACKING_URI, EXPERIMENT = "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"
"""Environment variables of MLflow."""
DEFAULT_EXPERIMENT = "quba-check"
_WHERE = "quba-check export"


@click.command("export", epilog="Example: quba-check export demo.json textured.json --to csv -o runs.csv")
@records_argument
@format_option("csv", PARQUET, MLFLOW, flag="--to", required=True)
@output_option(text="file to write; csv goes to standard output without it")
@click.option("--tracking-uri", metavar="URI", help=f"MLflow's store or server (else ${TRACKING_URI})")
@click.option(
    "--experiment",
    metavar="NAME",
    help=f"experiment of MLflow (else ${EXPERIMENT}, else {DEFAULT_EXPERIMENT})",
)
@click.option("--html", "page", type=INPUT, metavar="FILE", help="report page to attach to the MLflow runs")
def export(
    paths: tuple[Path, ...],
    form: str,
    output: Path | None,
    tracking_uri: str | None,
    experiment: str | None,
    page: Path | None,
) -> None:
    """Write stored runs in the format of another tool.

    csv and parquet: a row for each dimension, part and grade of each record. mlflow: a run for each record,
    with metrics, parameters, tags, and the record as an artefact.
    """
    for_mlflow = {"--tracking-uri": tracking_uri, "--experiment": experiment, "--html": page}
    refused = {"--output": output} if form == MLFLOW else for_mlflow
    for option, value in refused.items():
        if value is not None:
            others = "csv and parquet" if form == MLFLOW else "mlflow"
            raise OptionError(f"{_WHERE}: {option}: got '{value}' with --to {form}. Allowed: with {others}.")
    unique = list(dict.fromkeys(paths))
    if form == MLFLOW:
        _write_runs(unique, tracking_uri, experiment, page)
    else:
        _write_table(unique, form, output)


def _write_table(paths: list[Path], form: str, output: Path | None) -> None:
    """Write records as CSV or Parquet."""
    if output is None and form == PARQUET:
        raise OptionError(f"{_WHERE}: --output: is missing. Allowed: --to {PARQUET} -o FILE.{PARQUET}.")
    check_not_read(output, paths)
    records = [read_record(path) for path in paths]
    if form == PARQUET and output is not None:
        write_bytes(parquet_table(records), output)
    else:
        write_output(csv_table(records), output)
    if output is not None:
        sys.stderr.write(f"{output}: {counted(len(records), 'record')}\n")


def _write_runs(
    paths: list[Path], tracking_uri: str | None, experiment: str | None, page: Path | None
) -> None:
    """Write records as runs of MLflow."""
    uri = tracking_uri or os.environ.get(TRACKING_URI)
    if not uri:
        raise OptionError(
            f"{_WHERE}: --to {MLFLOW}: no tracking store is named. Allowed: --tracking-uri URI, or "
            f"{TRACKING_URI} in the environment."
        )

    content = None if page is None else read_bytes(page, f"{_WHERE}: --html: {page}", UserError, LARGEST_FILE)
    records = {path: read_record(path) for path in paths}
    opened = open_experiment(uri, experiment or os.environ.get(EXPERIMENT) or DEFAULT_EXPERIMENT)
    for path, record in records.items():
        run, is_new = export_run(opened, record, path, content)
        sys.stdout.write(f"{path}: run '{run}'{'' if is_new else ', exported before'}\n")
