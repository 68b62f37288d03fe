"""`quba-check tune`: a threshold file from stored runs or from other models."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quba_check.cli.parser import number_within
from quba_check.errors import OptionError, PopulationError, ThresholdError, listed

if TYPE_CHECKING:
    from quba_check.core.facts import SuiteFacts
    from quba_check.core.protocols import ProtocolName
    from quba_check.demands.demand import Thresholds
    from quba_check.records.record import Record
    from quba_check.tuning.suggested_limits import SuggestedLimit

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
        type=number_within(0, 4),
        help=f"standard errors below the value, of a single run (default {Z})",
    )
    parser.add_argument(
        "--percentile", type=number_within(0, 100), metavar="P", help="what P %% of a population do not reach"
    )
    parser.add_argument("--population", metavar="NAME", help="which, for --percentile (default: published)")
    parser.add_argument(
        "--like",
        action=_Like,
        metavar="NAME",
        help="the values of a published model, by its name in the published table or in timm; "
        "--like list prints the names",
    )
    parser.set_defaults(command=_tune)


class _Like(argparse.Action):
    """Store the name of a published model, or print all names and exit."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,  # noqa: ARG002  argparse's own signature
    ) -> None:
        from quba_check.tuning.suggested_limits import LIST, published_names

        if values == LIST:
            sys.stdout.write(published_names())
            sys.stdout.flush()
            parser.exit()
        setattr(namespace, self.dest, values)


def _tune(options: argparse.Namespace) -> int:
    from quba_check.gate.threshold_files import thresholds_at
    from quba_check.records.files import write_text
    from quba_check.strict_yaml import read_yaml
    from quba_check.tuning.suggested_limits import met_by_all
    from quba_check.tuning.yaml_edit import difference, edited, written

    output: Path = options.output
    if output.suffix not in SUFFIXES or output.is_dir():
        what = "a folder" if output.is_dir() else f"'{output.name}'"
        raise OptionError(
            f"quba-check tune: --output: got {what}. "
            f"Allowed: a file name that ends in {' or '.join(SUFFIXES)}."
        )
    source = _source(options)
    remarks = list(source.remarks)
    if senseless := met_by_all(source.floors):
        remarks.append(f"a limit of 0 or less, which every model meets: {listed(senseless)}")
    if output.exists():
        kept = thresholds_at(output, _facts(source.records))
        _check_protocol(kept, source.protocol)
        edit = edited(read_yaml(output, kept.shown, ThresholdError), source.floors, add=options.add)
        text, told = edit.after, difference(edit.before, edit.after, output)
        if edit.absent and not options.add:
            remarks.append(f"{output}: does not name {listed(edit.absent)}; --add demands them too")
        if edit.unlimited:
            remarks.append(f"{output}: has no limit of {listed(edit.unlimited)}, which was left as it is")
    else:
        text = told = written(source.floors, name=output.stem, protocol=source.protocol)
    write_text(text, output)
    sys.stdout.write(told or f"{output}: nothing to change\n")
    sys.stderr.writelines(f"{line}\n" for line in remarks)
    return 0


@dataclass(frozen=True, slots=True)
class _Source:
    """Where limits come from.

    Attributes:
        floors: the limits by dimension.
        protocol: what they are about.
        records: the stored runs that they are of; empty where they are of other models.
        remarks: what people should know of them, a line each.
    """

    floors: Mapping[str, SuggestedLimit]
    protocol: ProtocolName
    records: tuple[Record, ...] = ()
    remarks: tuple[str, ...] = ()


def _facts(records: tuple[Record, ...]) -> SuiteFacts:
    """The suite's, of the record that knows most of its shifts; of the published suite where none does."""
    from quba_check.suites.opening import published_facts
    from quba_check.tuning.record_facts import suite_facts

    found = max(
        (suite_facts(record) for record in records), key=lambda facts: len(facts.shifts), default=None
    )
    return found if found is not None and found.shifts else published_facts()


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


def _source(options: argparse.Namespace) -> _Source:
    from quba_check.grading.reference import population
    from quba_check.tuning.suggested_limits import percentile_limits, published_limits

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
    if options.records:
        return _of_records(options.records, options.z)
    _check_z(options.z, "values of other models")
    if options.like is not None:
        return _Source(published_limits(options.like), "released")
    try:
        known = population(options.population or "published")
    except PopulationError as mistake:
        told = str(mistake).removeprefix("population: ")
        raise OptionError(f"quba-check tune: --population: {told}") from None
    return _Source(percentile_limits(known, options.percentile), known.protocol)


def _of_records(paths: Sequence[Path], z: float | None) -> _Source:
    from quba_check.records.files import read_record
    from quba_check.records.per_image import identity
    from quba_check.tuning.suggested_limits import masked_dimensions, suggest_limits, unsupported

    records: dict[str, Record] = {}
    first: dict[tuple[str, ...], str] = {}
    remarks = []
    for path in dict.fromkeys(paths):
        record = read_record(path)
        same = first.setdefault(tuple(identity(record)), str(path))
        if same == str(path):
            records[same] = record
        else:
            remarks.append(f"{path}: is the run of {same}, which counts once")
    _check_alike(records)
    if len(records) > 1:
        _check_z(z, f"the worst of {len(records)} runs")
    floors = suggest_limits(records, Z if z is None else z)
    if not floors:
        raise OptionError(
            f"quba-check tune: {listed(records)}: no dimension has a value over all images in every record. "
            "Allowed: records of runs that measured one dimension at least."
        )
    without_evidence = masked_dimensions(records)
    if without_evidence:
        remarks.append(f"left out, masked and so no evidence of robustness: {listed(without_evidence)}")
    left_out = [name for name in unsupported(records) if name not in without_evidence]
    if left_out:
        remarks.append(f"left out, without a value over all images in every record: {listed(left_out)}")
    values = tuple(records.values())
    return _Source(floors, values[0].protocol, values, tuple(remarks))


def _check_alike(records: Mapping[str, Record]) -> None:
    """The worst of several runs is one only where all were asked the same."""
    from quba_check.comparison.compatibility import differences

    for (first, one), (second, other) in combinations(records.items(), 2):
        found = differences(one, other.protocol, other.suite, limit=other.limit, seed=other.environment.seed)
        if found:
            raise OptionError(
                f"quba-check tune: {first} and {second} differ in {listed(found)}. "
                "Allowed: records of one protocol on the same images and classes."
            )


def _check_z(z: float | None, source: str) -> None:
    if z is not None:
        raise OptionError(
            f"quba-check tune: --z: got {z:g}, but no standard errors are taken off {source}. "
            "Allowed: --z with a single run. Leave the option out."
        )
