"""The `quba-check` command: over records and suites, never over models. Models are judged by pytest."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from quba_check import object_focus_command
from quba_check.errors import OptionError, UserError, did_you_mean, listed

if TYPE_CHECKING:
    from rich.table import Table

    from quba_check.suites.suite import Suite

MISTAKE = 4
"""Exit code of a mistake that the user can mend; pytest's, so that scripts need to know one."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: the command line without the program's name; by default that of the process.

    Returns:
        Exit code: 0, or 4 with one `ERROR:` line for a mistake of the user's.
    """
    try:
        options = _parser().parse_args(arguments)
        options.command(options)
    except UserError as mistake:
        sys.stderr.write(f"ERROR: {mistake}\n")
        return MISTAKE
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise OptionError(f"{self.prog}: {message}. '{self.prog} --help' says what is allowed.")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="quba-check",
        description="Work with records and suites. Models are judged by pytest: pytest --model=my_model.pt",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    population = commands.add_parser("population", help="make a reference population of your models' records")
    population.add_argument("records", nargs="+", type=Path, metavar="RECORD.json", help="from --quba-report")
    population.add_argument("-o", "--output", required=True, type=Path, metavar="FILE", help="file to write")
    population.add_argument("--name", help="what reports call it (default: the file's name)")
    population.set_defaults(command=_population)

    suite = commands.add_parser("suite", help="look at a data folder, or add to it")
    actions = suite.add_subparsers(metavar="ACTION", required=True)
    describe = actions.add_parser("describe", help="say which sets a data folder has")
    describe.add_argument("folder", type=Path, metavar="DIR", help="data folder")
    describe.set_defaults(command=_describe)
    object_focus_command.add_to(actions)

    schema = commands.add_parser("schema", help="print the JSON Schema of a file format, for editors")
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

    from quba_check.suites import open_suite

    suite = open_suite(options.folder)
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    console.print(f"{suite.name}: {suite.facts.class_count:,} classes, in {suite.root}")
    console.print(_sets_table(suite))


def _sets_table(suite: Suite) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    counts = suite.counts()
    table = Table("set", box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("images", justify="right")
    table.add_column("expected", justify="right")
    table.add_column("space")
    table.add_column("where", overflow="fold")
    for name, space in suite.facts.spaces.items():
        found = counts.get(name)
        images = f"{found.images:,}" if found else "missing"
        expected = f"{found.expected:,}" if found and found.expected is not None else "-"
        table.add_row(name, images, expected, space or "own", _where(suite, name))
    for name in _undeclared(suite):
        table.add_row(name, "missing", "-", "-", "not in the manifest")
    return table


def _undeclared(suite: Suite) -> list[str]:
    """Sets that the nine dimensions look at and that the manifest has no entry for."""
    from quba_check.protocol import view

    sets = (
        view.CLEAN_SET,
        view.CORRUPTIONS_SET,
        view.MIXED_SAME_SET,
        view.MIXED_RAND_SET,
        view.CUE_CONFLICT_SET,
    )
    absent = [name for name in sets if name not in suite.facts.spaces]
    return absent if suite.facts.shifts else [*absent, "shifts"]


def _where(suite: Suite, name: str) -> str:
    """Where a set is read from, and what is missing there."""
    from quba_check.protocol.view import CORRUPTIONS, CORRUPTIONS_SET, SEVERITIES, View

    whole = View(name)
    if reason := suite.missing(whole):
        return reason
    if suite.generates(whole):
        return "made from clean"
    found = suite.place(whole)
    place = str(found.relative_to(suite.root) if found.is_relative_to(suite.root) else found)
    if name != CORRUPTIONS_SET:
        return place
    conditions = [View(name, corruption, severity) for corruption in CORRUPTIONS for severity in SEVERITIES]
    absent = [str(view).partition("/")[2] for view in conditions if suite.missing(view)]
    shown = listed(absent, limit=2)
    return f"{place}; {len(absent)} of {len(conditions)} conditions missing: {shown}" if absent else place


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


def _population_schema() -> dict[str, Any]:
    from quba_check.grading import population_schema

    return population_schema()


def _record_schema() -> dict[str, Any]:
    from quba_check.protocol.record import Record

    return Record.model_json_schema(by_alias=True)


SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {
    "population": _population_schema,
    "record": _record_schema,
    "suite": _suite_schema,
    "thresholds": _threshold_schema,
}
"""JSON Schemas by name of the format."""
