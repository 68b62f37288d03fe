"""`quba-check badge`: verdict and grade of a stored run as an SVG picture."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from quba_check.cli.files import check_not_read, check_waivers, write_output
from quba_check.cli.parser import output_option, record_argument
from quba_check.records.files import read_record
from quba_check.reports.badge import badge_message, badge_svg


@click.command("badge", epilog="Example: quba-check badge demo.json -o badge.svg")
@record_argument
@output_option(".svg")
def badge(path: Path, output: Path | None) -> None:
    """Draw a badge with verdict and grade of a stored run, for a README."""
    check_not_read(output, [path])
    record = read_record(path)
    check_waivers(record, path)
    write_output(badge_svg(record), output)
    if output is not None:
        sys.stderr.write(f"{output}: {badge_message(record)}\n")
