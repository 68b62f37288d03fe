"""`quba-check badge`: verdict and grade of a stored run as an SVG picture."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from quba_check.cli.parser import INPUT, OutputFile, check_not_read


@click.command(
    "badge",
    short_help="draw an SVG badge with verdict and grade",
    epilog="Example: quba-check badge demo.json -o badge.svg",
)
@click.argument("path", type=INPUT, metavar="RECORD.json")
@click.option(
    "-o",
    "--output",
    type=OutputFile(".svg"),
    metavar="FILE.svg",
    help="file to write (default: standard output)",
)
def badge(path: Path, output: Path | None) -> None:
    """Draw a badge with verdict and grade of a stored run, for a README."""
    from quba_check.records.files import read_record, write_text
    from quba_check.reports.badge import badge_message, badge_svg
    from quba_check.reports.tables import fit_encoding

    if output is not None:
        check_not_read(output, [path], "--output")
    record = read_record(path)
    svg = badge_svg(record)
    if output is None:
        sys.stdout.write(fit_encoding(svg, sys.stdout.encoding))
    else:
        write_text(svg, output)
        sys.stderr.write(f"{output}: {badge_message(record)}\n")
