"""`quba-check tune`: a threshold file from stored runs or from other models."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quba_check.commands.parser import number_within
from quba_check.commands.threshold_files import published_suite_facts, thresholds_at
from quba_check.errors import OptionError, ThresholdError, listed

if TYPE_CHECKING:
    from quba_check.demands.demand import Thresholds
    from quba_check.protocol.settings import ProtocolName
    from quba_check.tuning.floors import Floor

SUFFIXES = (".yaml", ".yml")
Z = 1.645
"""Standard errors that a tuned limit lies below the value: a redrawn run of the same model fails in 5 %."""


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "tune",
        help="write a threshold file from stored runs, or from other models",
        description="Write the limits that stored runs support, or those of a population or a published "
        "model. In a file that is there the limits that it has are changed in place, and nothing else.",
    )
    parser.add_argument("records", nargs="*", type=Path, metavar="RECORD.json", help="one run, or its seeds")
    parser.add_argument(
        "-o", "--output", required=True, type=Path, metavar="FILE.yaml", help="new, or to edit"
    )
    parser.add_argument("--add", action="store_true", help="put in what a file that is there does not name")
    parser.add_argument(
        "--z",
        type=number_within(0, 10),
        default=Z,
        help=f"standard errors below the value, of a single run (default {Z})",
    )
    parser.add_argument(
        "--percentile", type=number_within(0, 100), metavar="P", help="what P %% of a population do not reach"
    )
    parser.add_argument("--population", metavar="NAME", help="which, for --percentile (default: published)")
    parser.add_argument("--like", metavar="ID", help="the values of a published model")
    parser.set_defaults(command=_tune)


def _tune(options: argparse.Namespace) -> int:
    from quba_check.reports.files import write_text
    from quba_check.strict_yaml import read_yaml
    from quba_check.tuning.threshold_text import difference, edited, written

    output: Path = options.output
    if output.suffix not in SUFFIXES or output.is_dir():
        what = "a folder" if output.is_dir() else f"'{output.name}'"
        raise OptionError(
            f"quba-check tune: --output: got {what}. "
            f"Allowed: a file name that ends in {' or '.join(SUFFIXES)}."
        )
    floors, protocol = _floors(options)
    if not output.exists():
        text = written(floors, name=output.stem, protocol=protocol)
        write_text(text, output)
        sys.stdout.write(text)
        return 0
    kept = thresholds_at(output, published_suite_facts())
    _check_protocol(kept, protocol)
    edit = edited(read_yaml(output, kept.shown, ThresholdError), floors, add=options.add)
    write_text(edit.after, output)
    sys.stdout.write(difference(edit.before, edit.after, output) or f"{output}: nothing to change\n")
    if edit.absent and not options.add:
        sys.stderr.write(f"{output}: does not name {listed(edit.absent)}; --add demands them too\n")
    if edit.unlimited:
        sys.stderr.write(f"{output}: has no limit of {listed(edit.unlimited)}, which was left as it is\n")
    return 0


def _check_protocol(kept: Thresholds, protocol: ProtocolName) -> None:
    """A file that states no protocol is about values of `standard`, unless a run says otherwise."""
    from quba_check.grading.caveats import CROSS_PROTOCOL

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
    if options.population is not None and options.percentile is None:
        raise OptionError(
            f"quba-check tune: --population: got '{options.population}' without --percentile, "
            "which alone asks a population. Leave the option out, or say --percentile P."
        )
    if options.like is not None:
        return published_floors(options.like), "released"
    if options.percentile is not None:
        known = population(options.population or "published")
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
    floors = floors_of(records, options.z)
    if not floors:
        raise OptionError(
            f"quba-check tune: {listed(records)}: no dimension has a value over all images in every record. "
            "Allowed: records of runs that measured one dimension at least."
        )
    return floors, next(iter(records.values())).protocol
