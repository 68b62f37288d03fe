"""`quba-check population`: a reference population from records of your models."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from quba_check.cli.parser import check_not_read, output_file
from quba_check.errors import OptionError


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "population",
        help="make a reference population from your models' records",
        description="Make a reference population from the records of your models, ten or more of one suite "
        "and protocol. A threshold file names it: population: fleet.json.",
    )
    parser.add_argument("records", nargs="+", type=Path, metavar="RECORD.json", help="from --quba-report")
    parser.add_argument(
        "-o", "--output", required=True, type=output_file, metavar="FILE", help="file to write"
    )
    parser.add_argument("--name", help="its name in reports (default: the file's name)")
    parser.set_defaults(command=_population)


def _population(options: argparse.Namespace) -> None:
    from quba_check.grading import fleet_population
    from quba_check.grading.reference import BUILT_IN
    from quba_check.records.files import read_record, write_text

    name = options.name or options.output.stem
    if name in BUILT_IN:
        raise OptionError(
            f"quba-check population: the name '{name}' is taken. Allowed: any but {', '.join(BUILT_IN)}; "
            "give one with --name."
        )
    check_not_read(options.output, options.records, "--output")
    records = {str(path): read_record(path) for path in dict.fromkeys(options.records)}
    file = fleet_population(records, name)
    write_text(file.to_json(), options.output)
    sys.stdout.write(f"{options.output}: {len(file.rows)} models, protocol {file.protocol}\n")
    for name, problem in file.population.problems.items():
        sys.stderr.write(f"WARNING: {name}: {problem}. Grades need the weight 0 for it.\n")
