"""`quba-check power`: the differences that a threshold file can detect."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from quba_check.cli.parser import INPUT, WholeNumber


@click.command(
    "power",
    short_help="print the differences that a threshold file can detect",
    epilog="Example: quba-check power release.yaml --images 1000 --record demo.json",
)
@click.argument("file", type=INPUT, metavar="FILE.yaml")
@click.option("--images", required=True, type=WholeNumber(1), metavar="N", help="images of each set")
@click.option("--record", "path", type=INPUT, metavar="RECORD.json", help="record with the standard errors")
def power(file: Path, images: int, path: Path | None) -> None:
    """Print the differences that a threshold file can detect.

    For each demand: the true value of a model that is blocked, and of one that passes, in 80 % of runs.
    """
    from quba_check.gate.threshold_files import thresholds_at
    from quba_check.number_format import format_value
    from quba_check.records.files import read_record
    from quba_check.reports.tables import fit_encoding, table_text
    from quba_check.suites.opening import published_facts
    from quba_check.tuning.power import POWER, detectable_effects
    from quba_check.tuning.record_facts import suite_facts

    record = read_record(path) if path else None
    thresholds = thresholds_at(file, suite_facts(record) if record else published_facts())
    effects = detectable_effects(thresholds, images, record)
    rows = []
    for effect in effects:
        unit = effect.demand.unit
        numbers = ["-", "-", "-"]
        if effect.error is not None:
            ends = (effect.blocked, effect.passed)
            numbers = [format_value(effect.error, unit)]
            numbers += ["never" if end is None else format_value(end, unit) for end in ends]
        rows.append((effect.demand.name, effect.demand.threshold_text, *numbers))
    table = table_text(("demand", "bound", "±", "blocked at", "passed at"), rows)
    sys.stdout.write(
        f"{thresholds.shown}, policy {thresholds.policy.uncertain}, {images:,} images a set:\n"
        f"standard errors, and the true values that are blocked or pass in {100 * POWER:g} % of runs\n"
    )
    sys.stdout.write(fit_encoding(table, sys.stdout.encoding))
    if any(effect.error is None for effect in effects):
        why = "this run has no standard error" if record else "needs the standard error of a run: --record"
        sys.stdout.write(f"-: {why}. Parameters and grades have none.\n")
