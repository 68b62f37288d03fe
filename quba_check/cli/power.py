"""`quba-check power`: the differences that a threshold file can detect."""

from __future__ import annotations

from pathlib import Path

import click

from quba_check.cli.files import facts_of, write_output
from quba_check.cli.parser import COUNT, INPUT, value_option
from quba_check.errors import OptionError
from quba_check.gate.threshold_files import thresholds_at
from quba_check.reports.power import power_text
from quba_check.verdicts.stored_verdicts import read_record


@click.command("power", epilog="Example: quba-check power release.yaml --images 1000 --record demo.json")
@click.argument("file", type=INPUT, metavar="FILE.yaml")
@value_option("--images", "N", "images of each set (default: those of the record)", COUNT)
@value_option("--record", "RECORD.json", "record with the standard errors", INPUT)
def power(file: Path, images: int | None, record: Path | None) -> None:
    """Print the differences that a threshold file can detect.

    For each demand: the true value of a model that is blocked, and of one that passes, in 80 % of runs.
    """
    if images is None and record is None:
        allowed = "the number of images of each set, a record that has it, or both"
        raise OptionError(where="quba-check power", got="neither --images nor --record", allowed=allowed)
    stored = read_record(record) if record else None
    write_output(power_text(thresholds_at(file, facts_of(stored)), images, stored))
