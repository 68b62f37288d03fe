"""`quba-check what-if`, `tune` and `power`: over records and threshold files, without model or images."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quba_check.command_parser import number_within, whole_number
from quba_check.errors import OptionError, listed

if TYPE_CHECKING:
    from rich.console import Console

    from quba_check.demands.demand import Thresholds
    from quba_check.protocol.facts import SuiteFacts
    from quba_check.protocol.record import Record
    from quba_check.protocol.settings import ProtocolName
    from quba_check.tuning.floors import Floor

Z = 1.645
"""Standard errors that a tuned limit lies below the value: a redrawn run of the same model fails in 5 %."""


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the three commands."""
    what_if = commands.add_parser(
        "what-if",
        help="judge stored runs by other threshold files",
        description="Judge stored runs by other threshold files, without model or images. Exit code 0: every "
        "run would be released by every file, 1: not so.",
    )
    what_if.add_argument(
        "files", nargs="+", metavar="FILE", help="records (.json) and threshold files (.yaml)"
    )
    what_if.set_defaults(command=_what_if)

    tune = commands.add_parser(
        "tune",
        help="write a threshold file from stored runs, or from other models",
        description="Write the limits that stored runs support, or those of a population or a published "
        "model. In a file that is there numbers are changed in place.",
    )
    tune.add_argument("records", nargs="*", type=Path, metavar="RECORD.json", help="one run, or its seeds")
    tune.add_argument("-o", "--output", required=True, type=Path, metavar="FILE.yaml", help="new, or to edit")
    tune.add_argument(
        "--z",
        type=number_within(0, 10),
        default=Z,
        help=f"standard errors below the value, of a single run (default {Z})",
    )
    tune.add_argument(
        "--percentile", type=number_within(0, 100), metavar="P", help="what P %% of a population do not reach"
    )
    tune.add_argument("--population", default="published", metavar="NAME", help="which (default: published)")
    tune.add_argument("--like", metavar="ID", help="the values of a published model")
    tune.set_defaults(command=_tune)

    power = commands.add_parser(
        "power",
        help="say what a threshold file would notice",
        description="Say for each demand of a file how far below or above its limit a model must truly be to "
        "be blocked or passed in most runs (80 %).",
    )
    power.add_argument("file", type=Path, metavar="FILE.yaml", help="threshold file")
    power.add_argument(
        "--images", required=True, type=whole_number(1), metavar="N", help="images of each set"
    )
    power.add_argument("--record", type=Path, metavar="RECORD.json", help="a run that knows the errors")
    power.set_defaults(command=_power)


def _what_if(options: argparse.Namespace) -> int:
    from rich.table import Table
    from rich.text import Text

    from quba_check.reports.files import read_record
    from quba_check.reports.judged import word
    from quba_check.reports.styles import STYLES
    from quba_check.tuning.rejudging import rejudged

    records = [path for path in options.files if path.endswith(".json")]
    files = [Path(path) for path in options.files if not path.endswith(".json")]
    if not records or not files:
        raise OptionError(
            f"quba-check what-if: got {len(records)} records and {len(files)} threshold files. "
            "Allowed: at least one of each, such as quba-check what-if run.json thresholds/*.yaml."
        )
    passes = True
    for path in records:
        record = read_record(Path(path))
        judged = [rejudged(record, _thresholds(file, _facts(record))) for file in files]
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("demand", no_wrap=True)
        cells: dict[str, dict[str, Text]] = {}
        for found in judged:
            table.add_column(Path(found.thresholds.shown).name, no_wrap=True)
            for verdict in found.verdicts:
                called = word(verdict.row(""))
                text = Text(f"{called} {verdict.demand.limit_text}", style=STYLES[called])
                cells.setdefault(verdict.demand.name, {})[found.thresholds.shown] = text
        for name, row in cells.items():
            table.add_row(name, *(row.get(found.thresholds.shown, Text("-", "dim")) for found in judged))
        table.add_row(
            Text("released", "bold"), *(Text("yes" if found.passes else "no", "bold") for found in judged)
        )
        console = _console()
        console.print(f"{record.model.name} on {record.suite.name}, protocol {record.protocol}")
        console.print(table)
        passes &= all(found.passes for found in judged)
    return 0 if passes else 1


def _tune(options: argparse.Namespace) -> int:
    from quba_check.tuning.threshold_text import difference, edited, written

    floors, protocol = _floors(options)
    output: Path = options.output
    if not output.exists():
        text = written(floors, name=output.stem, protocol=protocol)
        _write(text, output)
        sys.stdout.write(text)
        return 0
    before = output.read_text(encoding="utf-8")
    kept = _thresholds(output, _any_facts())
    _check_protocol(kept, protocol)
    after = edited(before, floors)
    _write(after, output)
    sys.stdout.write(difference(before, after, output) or f"{output}: nothing to change\n")
    return 0


def _check_protocol(kept: Thresholds, protocol: ProtocolName) -> None:
    """A file that states no protocol is about values of `standard`, unless a run says otherwise."""
    from quba_check.grading.grade import CROSS_PROTOCOL

    stated = kept.protocol or "standard"
    if stated != protocol:
        raise OptionError(
            f"{kept.shown}: its limits are about protocol {stated}, but these values are of protocol "
            f"{protocol}, where {listed(CROSS_PROTOCOL)} is another quantity. "
            f"Allowed: a file that states {protocol}, or a new one with -o."
        )


def _floors(options: argparse.Namespace) -> tuple[dict[str, Floor], ProtocolName]:
    from quba_check.grading.reference import population
    from quba_check.reports.files import read_record
    from quba_check.tuning.floors import floors_of, percentile_floors, published_floors

    asked = [bool(options.records), options.percentile is not None, options.like is not None]
    if sum(asked) != 1:
        raise OptionError(
            "quba-check tune: needs one source of limits. Allowed: records, --percentile P, or --like ID."
        )
    if options.like is not None:
        return published_floors(options.like), "released"
    if options.percentile is not None:
        known = population(options.population)
        return percentile_floors(known, options.percentile), known.protocol
    records = {str(path): read_record(path) for path in dict.fromkeys(options.records)}
    for what, values in (
        ("protocol", {record.protocol for record in records.values()}),
        ("suite", {record.suite.name for record in records.values()}),
    ):
        if len(values) > 1:
            raise OptionError(
                f"quba-check tune: the records differ in {what}: {listed(sorted(values))}. "
                f"Allowed: records of one {what}."
            )
    return floors_of(records, options.z), next(iter(records.values())).protocol


def _power(options: argparse.Namespace) -> int:
    from rich.table import Table

    from quba_check.figures import figure
    from quba_check.reports.files import read_record
    from quba_check.tuning.power import POWER, reaches

    record = read_record(options.record) if options.record else None
    thresholds = _thresholds(options.file, _facts(record) if record else _any_facts())
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("demand", "bound", "±", "blocked at", "passed at"):
        table.add_column(title, no_wrap=True)
    for reach in reaches(thresholds, options.images, record):
        demand = reach.demand
        if reach.error is None or reach.blocked is None or reach.passed is None:
            table.add_row(demand.name, demand.limit_text, "-", "-", "-")
            continue
        numbers = (figure(number, demand.unit) for number in (reach.error, reach.blocked, reach.passed))
        table.add_row(demand.name, demand.limit_text, *numbers)
    console = _console()
    console.print(
        f"{thresholds.shown}, policy {thresholds.policy.uncertain}, {options.images:,} images a set:\n"
        f"standard errors, and the true values that are blocked or pass in {100 * POWER:g} % of runs"
    )
    console.print(table)
    if record is None:
        console.print("A - needs --record: a run that knows the error. Parameters have none.")
    return 0


def _thresholds(path: Path, facts: SuiteFacts) -> Thresholds:
    from quba_check.demands.profiles import find_thresholds, shown_name
    from quba_check.demands.thresholds import read_thresholds
    from quba_check.dimensions import registry

    registry.load_entry_points()
    found = find_thresholds(str(path), Path.cwd())
    shown = (
        found.relative_to(Path.cwd()).as_posix() if found.is_relative_to(Path.cwd()) else shown_name(found)
    )
    return read_thresholds(found, shown=shown, suite=facts)


def _facts(record: Record) -> SuiteFacts:
    """What a record tells of its suite: enough to know the names of parts."""
    from quba_check.protocol.facts import SuiteFacts
    from quba_check.protocol.record import MeasurementRow
    from quba_check.protocol.view import CORRUPTIONS

    row = record.measurements.get("ood_robustness")
    shifts = (
        [name for name, part in row.parts.items() if part.better] if isinstance(row, MeasurementRow) else []
    )
    return SuiteFacts(record.suite.name, record.model.classes, tuple(shifts), CORRUPTIONS, {})


def _any_facts() -> SuiteFacts:
    """The published suite's, for files that are looked at without a run."""
    from quba_check.suites.places import published_facts

    return published_facts()


def _write(text: str, path: Path) -> None:
    from quba_check.reports.files import write_text

    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(text, path)


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, soft_wrap=not sys.stdout.isatty())
