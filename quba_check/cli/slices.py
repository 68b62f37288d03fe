"""`quba-check slices`: the slices of a stored run, the worst first."""

from __future__ import annotations

from pathlib import Path

import click

from quba_check.cli.files import write_output
from quba_check.cli.parser import COUNT, record_argument
from quba_check.records.files import read_record
from quba_check.reports.slices import slices_text


@click.command("slices", epilog="Example: quba-check slices my_model.json --least 100")
@record_argument
@click.option("--dimension", default="accuracy", metavar="NAME", help="the dimension (default: accuracy)")
@click.option(
    "--least", type=COUNT, default=50, metavar="N", help="images of a slice that is compared (default: 50)"
)
def slices(path: Path, dimension: str, least: int) -> None:
    """List the slices of a run's images on which the model is worst.

    Each slice of the manifest's columns and properties is compared with all other images.
    """
    write_output(slices_text(read_record(path), dimension, least))
