"""`quba-check power`: what a threshold file would notice."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from quba_check.cli.parser import whole_number


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "power",
        help="say what a threshold file would notice",
        description="Say for each demand of a file how far below or above its limit a model must truly be to "
        "be blocked or passed in most runs (80 %).",
    )
    parser.add_argument("file", type=Path, metavar="FILE.yaml", help="threshold file")
    parser.add_argument(
        "--images", required=True, type=whole_number(1), metavar="N", help="images of each set"
    )
    parser.add_argument("--record", type=Path, metavar="RECORD.json", help="a run that knows the errors")
    parser.set_defaults(command=_power)


def _power(options: argparse.Namespace) -> int:
    from rich.table import Table

    from quba_check.gate.threshold_files import thresholds_at
    from quba_check.number_format import format_value
    from quba_check.records.files import read_record
    from quba_check.reports.tables import fit_encoding, plain_text
    from quba_check.suites.opening import published_facts
    from quba_check.tuning.power import POWER, detectable_effects
    from quba_check.tuning.record_facts import suite_facts

    record = read_record(options.record) if options.record else None
    thresholds = thresholds_at(options.file, suite_facts(record) if record else published_facts())
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("demand", "bound", "±", "blocked at", "passed at"):
        table.add_column(title, no_wrap=True)
    found = detectable_effects(thresholds, options.images, record)
    for reach in found:
        demand = reach.demand
        if reach.error is None:
            table.add_row(demand.name, demand.threshold_text, "-", "-", "-")
            continue
        ends = (
            "never" if end is None else format_value(end, demand.unit)
            for end in (reach.blocked, reach.passed)
        )
        table.add_row(demand.name, demand.threshold_text, format_value(reach.error, demand.unit), *ends)
    sys.stdout.write(
        f"{thresholds.shown}, policy {thresholds.policy.uncertain}, {options.images:,} images a set:\n"
        f"standard errors, and the true values that are blocked or pass in {100 * POWER:g} % of runs\n"
    )
    sys.stdout.write(fit_encoding(plain_text(table), sys.stdout.encoding))
    if any(reach.error is None for reach in found):
        which = "this run does not know the error" if record else "needs --record: a run that knows the error"
        sys.stdout.write(f"-: {which}. Parameters and grades have none.\n")
    return 0
