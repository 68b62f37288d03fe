"""`quba-check export`: stored runs as a table."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from quba_check.cli.files import check_not_read, write_output
from quba_check.cli.parser import format_option, output_option, records_argument
from quba_check.errors import OptionError
from quba_check.exports.tables import csv_table, parquet_table
from quba_check.number_format import counted
from quba_check.records.files import read_record, write_bytes

PARQUET = "parquet"


@click.command("export", epilog="Example: quba-check export demo.json textured.json --to csv -o runs.csv")
@records_argument
@format_option("csv", PARQUET, flag="--to", required=True)
@output_option(text="file to write; csv goes to standard output without it")
def export(paths: tuple[Path, ...], form: str, output: Path | None) -> None:
    """Write stored runs as a table.

    Each record has a row for each dimension, part and grade.
    """
    if output is None and form == PARQUET:
        raise OptionError(
            f"quba-check export: --output: is missing. Allowed: --to {PARQUET} -o FILE.{PARQUET}."
        )
    unique = list(dict.fromkeys(paths))
    check_not_read(output, unique)
    records = [read_record(path) for path in unique]
    if form == PARQUET and output is not None:
        write_bytes(parquet_table(records), output)
    else:
        write_output(csv_table(records), output)
    if output is not None:
        sys.stderr.write(f"{output}: {counted(len(records), 'record')}\n")
