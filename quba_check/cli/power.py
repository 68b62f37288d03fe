"""`quba-check power`: the differences that a threshold file can detect."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from quba_check.cli.parser import whole_number
from quba_check.cli.threshold_files import published_suite_facts, thresholds_at


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "power",
        help="print the differences that a threshold file can detect",
        description="Print for each demand of a file how far below or above its threshold a model must truly "
        "be to be blocked or passed in most runs (80 %).",
    )
    parser.add_argument("file", type=Path, metavar="FILE.yaml", help="threshold file")
    parser.add_argument(
        "--images", required=True, type=whole_number(1), metavar="N", help="images of each set"
    )
    parser.add_argument("--record", type=Path, metavar="RECORD.json", help="run with the standard errors")
    parser.set_defaults(command=_power)


def _power(options: argparse.Namespace) -> int:
    from quba_check.number_format import format_value
    from quba_check.records.files import read_record
    from quba_check.reports.tables import fit_encoding, table_text
    from quba_check.tuning.power import POWER, detectable_effects
    from quba_check.tuning.record_facts import suite_facts

    record = read_record(options.record) if options.record else None
    thresholds = thresholds_at(options.file, suite_facts(record) if record else published_suite_facts())
    effects = detectable_effects(thresholds, options.images, record)
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
        f"{thresholds.shown}, policy {thresholds.policy.uncertain}, {options.images:,} images a set:\n"
        f"standard errors, and the true values that are blocked or pass in {100 * POWER:g} % of runs\n"
    )
    sys.stdout.write(fit_encoding(table, sys.stdout.encoding))
    if any(effect.error is None for effect in effects):
        why = "this run has no standard error" if record else "needs the standard error of a run: --record"
        sys.stdout.write(f"-: {why}. Parameters and grades have none.\n")
    return 0
