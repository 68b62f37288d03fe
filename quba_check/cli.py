"""The `quba-check` command: over records and suites, and the doctor. Models are judged by pytest."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from quba_check import compare_command, doctor_command, object_focus_command, tuning_command
from quba_check.command_parser import CommandParser
from quba_check.errors import OptionError, UserError, did_you_mean

MISTAKE = 4
"""Exit code of a mistake that the user can mend; pytest's, so that scripts need to know one."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: the command line without the program's name; by default that of the process.

    Returns:
        Exit code: 0, 1 where the doctor found a problem, or 4 with one `ERROR:` line for a mistake of the
        user's.
    """
    try:
        options = _parser().parse_args(arguments)
        code: int | None = options.command(options)
    except UserError as mistake:
        sys.stderr.write(f"ERROR: {mistake}\n")
        return MISTAKE
    return code or 0


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="quba-check",
        description="Work with records and suites, and find mistakes before a long run. Models are judged by "
        "pytest: pytest --model=my_model.pt",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    doctor_command.add_to(commands)
    compare_command.add_to(commands)

    population = commands.add_parser(
        "population",
        help="make a reference population of your models' records",
        description="Make a reference population of the records of your models, ten or more of one suite and "
        "protocol. A threshold file names it: population: fleet.json.",
    )
    population.add_argument("records", nargs="+", type=Path, metavar="RECORD.json", help="from --quba-report")
    population.add_argument("-o", "--output", required=True, type=Path, metavar="FILE", help="file to write")
    population.add_argument("--name", help="what reports call it (default: the file's name)")
    population.set_defaults(command=_population)

    suite = commands.add_parser("suite", help="look at a data folder, or add to it")
    actions = suite.add_subparsers(metavar="ACTION", required=True)
    describe = actions.add_parser(
        "describe",
        help="say which sets a data folder has",
        description="Say which sets a data folder has: images and classes of each, and where it lies or what "
        "it is made from.",
    )
    describe.add_argument("folder", type=Path, metavar="DIR", help="data folder")
    describe.set_defaults(command=_describe)
    object_focus_command.add_to(actions)

    tuning_command.add_to(commands)

    schema = commands.add_parser(
        "schema",
        help="print the JSON Schema of a file format, for editors",
        description="Print the JSON Schema of a file format, for editors and other programs.",
    )
    schema.add_argument("format", metavar="FORMAT", help=", ".join(SCHEMAS))
    schema.set_defaults(command=_schema)
    return parser


def _population(options: argparse.Namespace) -> None:
    from quba_check.grading import fleet_population
    from quba_check.grading.reference import BUILT_IN
    from quba_check.reports.files import read_record, write_text

    name = options.name or options.output.stem
    if name in BUILT_IN:
        raise OptionError(
            f"quba-check population: the name '{name}' is taken. Allowed: any but {', '.join(BUILT_IN)}; "
            "give one with --name."
        )
    records = {str(path): read_record(path) for path in dict.fromkeys(options.records)}
    made = fleet_population(records, name)
    write_text(made.to_json(), options.output)
    sys.stdout.write(f"{options.output}: {len(made.rows)} models, protocol {made.protocol}\n")
    for name, problem in made.population.problems.items():
        sys.stderr.write(f"WARNING: {name}: {problem}. Grades need the weight 0 for it.\n")


def _describe(options: argparse.Namespace) -> None:
    from rich.console import Console

    from quba_check.suite_description import sets_table
    from quba_check.suites import open_suite

    suite = open_suite(options.folder)
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    console.print(f"{suite.name}: {suite.facts.class_count:,} classes, in {suite.root}")
    console.print(sets_table(suite))


def _schema(options: argparse.Namespace) -> None:
    if options.format not in SCHEMAS:
        raise OptionError(
            f"quba-check schema: unknown format, got '{options.format}'. Allowed: {', '.join(SCHEMAS)}."
            f"{did_you_mean(options.format, SCHEMAS)}"
        )
    sys.stdout.write(json.dumps(SCHEMAS[options.format](), indent=2, ensure_ascii=False) + "\n")


def _threshold_schema() -> dict[str, Any]:
    from quba_check.demands import threshold_schema
    from quba_check.dimensions import registry

    registry.load_entry_points()
    return threshold_schema()


def _suite_schema() -> dict[str, Any]:
    from quba_check.suites import suite_schema

    return suite_schema()


def _doctor_schema() -> dict[str, Any]:
    from quba_check.doctor.examination import examination_schema

    return examination_schema()


def _population_schema() -> dict[str, Any]:
    from quba_check.grading import population_schema

    return population_schema()


def _preparation_schema() -> dict[str, Any]:
    from quba_check.models.preparation_file import preparation_schema

    return preparation_schema()


def _record_schema() -> dict[str, Any]:
    from quba_check.protocol.record import Record

    return Record.model_json_schema(by_alias=True)


SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {
    "doctor": _doctor_schema,
    "population": _population_schema,
    "preparation": _preparation_schema,
    "record": _record_schema,
    "suite": _suite_schema,
    "thresholds": _threshold_schema,
}
"""JSON Schemas by name of the format."""
