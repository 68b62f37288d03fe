"""`quba-check tune`: a threshold file from stored runs or from other models."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import click

from quba_check.cli.files import POPULATION, PUBLISHED, PUBLISHED_MODEL
from quba_check.cli.parser import INPUT, Checked, check_read, output_option, value_option
from quba_check.comparison.stored_run import RunConditions, differences
from quba_check.core.facts import SuiteFacts
from quba_check.core.protocols import ProtocolName
from quba_check.demands.demand import Thresholds
from quba_check.errors import OptionError, ThresholdError
from quba_check.gate.options import number_within
from quba_check.gate.threshold_files import thresholds_at
from quba_check.grading.notes import CROSS_PROTOCOL
from quba_check.grading.population import Population
from quba_check.grading.published import PublishedModel
from quba_check.messages import listed
from quba_check.records.files import write_text
from quba_check.records.per_image import identity
from quba_check.records.record import Record
from quba_check.strict_yaml import read_yaml
from quba_check.suites.opening import published_facts
from quba_check.tuning.record_facts import suite_facts
from quba_check.tuning.suggested_limits import (
    SuggestedLimit,
    dimensions_without_effect,
    limits_of_demands,
    masked_dimensions,
    parts_without_effect,
    percentile_limits,
    published_limits,
    published_names,
    suggest_limits,
    unmeasured_dimensions,
)
from quba_check.tuning.yaml_edit import Edit, edit_limits, new_threshold_file, unified_diff
from quba_check.verdicts.stored_verdicts import read_record

_WHERE = "quba-check tune"
LIST = "list"
"""Value of `--like` that prints the names of the published models."""
ONE_SIDED_Z = 1.645
"""Standard errors between value and tuned bound: 5 % of samples of this size then fail."""
STANDARD_ERRORS = Checked(number_within(0, 4))
PERCENT = Checked(number_within(0, 100))


def _published_model(ctx: click.Context, param: click.Parameter, name: str | None) -> PublishedModel | None:
    """Return the model of `--like`; print the names for `--like list`."""
    if name == LIST:
        sys.stdout.write(published_names())
        ctx.exit()
    return None if name is None else PUBLISHED_MODEL.convert(name, param, ctx)


@click.command("tune", epilog="Example: quba-check tune demo.json -o tuned.yaml")
@click.argument("paths", nargs=-1, type=INPUT, metavar="[RECORD.json]...")
@output_option(".yaml", ".yml", required=True, text="file to write or edit")
@click.option("--add", is_flag=True, help="also add dimensions that the file does not name")
@value_option(
    "--z",
    "VALUE",
    f"standard errors from value to bound (default: {ONE_SIDED_Z})",
    STANDARD_ERRORS,
    default=ONE_SIDED_Z,
)
@value_option(
    "--percentile", "P", "the value that P % of a population do not reach, in place of records", PERCENT
)
@value_option("--population", "NAME", "for --percentile (default: published)", POPULATION, default=PUBLISHED)
@value_option(
    "--like",
    "NAME",
    "the values of a published model, by its name in the published table or in timm; "
    "--like list prints the names",
    is_eager=True,
    callback=_published_model,
)
def tune(
    paths: tuple[Path, ...],
    output: Path,
    add: bool,
    z: float,
    percentile: float | None,
    population: Population,
    like: PublishedModel | None,
) -> None:
    """Write the thresholds that stored runs support, or those of other models.

    RECORD.json: one run, or several of one model with different seeds. In an existing file, only the
    thresholds that it has are changed.
    """
    given = {"records": bool(paths), "--percentile": percentile is not None, "--like": like is not None}
    _check_sources([name for name, is_given in given.items() if is_given])
    records, notes = _distinct_records(paths)
    protocol: ProtocolName = "released"
    if like is not None:
        limits = published_limits(like)
    elif percentile is not None:
        limits = percentile_limits(population, percentile)
        protocol = population.protocol
    else:
        limits = suggest_limits(records, z)
        protocol = next(iter(records.values())).protocol
        notes += _caveats(records, limits)
    useless = [*dimensions_without_effect(limits)]
    if output.exists():
        existing = thresholds_at(output, _facts(records))
        _check_protocol(existing, protocol)
        demand_limits = limits_of_demands(existing, limits, records, z)
        useless += parts_without_effect(existing, demand_limits)
        edit = edit_limits(read_yaml(output, existing.label, ThresholdError), limits, demand_limits, add=add)
        text = edit.after
        change = unified_diff(edit.before, edit.after, output)
        notes += _notes_on_edit(edit, output, add)
    else:
        text = change = new_threshold_file(limits, name=output.stem, protocol=protocol)
    if useless:
        notes.append(f"a bound of 0 or less, which every model meets: {listed(useless)}")
    write_text(text, output)
    sys.stdout.write(change or f"{output}: nothing to change\n")
    sys.stderr.writelines(f"{note}\n" for note in notes)


def _notes_on_edit(edit: Edit, output: Path, add: bool) -> Iterator[str]:
    """Yield notes on measured dimensions without a bound in the file."""
    if edit.absent and not add:
        yield f"{output}: does not name {listed(edit.absent)}; --add demands them too"
    if edit.unlimited:
        yield f"{output}: has no bound of {listed(edit.unlimited)}, so nothing was changed there"


def _check_sources(sources: Sequence[str]) -> None:
    """Refuse several sources or none, and the options of another source."""
    if len(sources) != 1:
        got = listed(sources) or "none"
        raise OptionError(
            "needs one source of thresholds",
            where=_WHERE,
            got=got,
            allowed="records, --percentile P, or --like NAME",
        )
    if sources != ["--percentile"]:
        check_read({"population": "with --percentile P"}, "without --percentile")
    if sources != ["records"]:
        check_read({"z": "with records"}, "for values of other models")


def _distinct_records(paths: Sequence[Path]) -> tuple[dict[str, Record], list[str]]:
    """Return records of the same images by name, each run once, and notes on copies."""
    records: dict[str, Record] = {}
    first: dict[tuple[str, ...], str] = {}
    notes = []
    for path in dict.fromkeys(paths):
        record = read_record(path)
        same = first.setdefault(tuple(identity(record)), str(path))
        if same != str(path):
            notes.append(f"{path}: is the run of {same}, which counts once")
        records.setdefault(same, record)
    for (name, before), (other_name, after) in combinations(records.items(), 2):
        names = differences(before, RunConditions.of(after))
        if names:
            raise OptionError(
                f"{name} and {other_name} differ in {listed(names)}",
                where=_WHERE,
                allowed="records of one protocol on the same images and classes",
            )
    return records, notes


def _caveats(records: Mapping[str, Record], limits: Mapping[str, SuggestedLimit]) -> Iterator[str]:
    """Yield notes on what the records leave open.

    Raises:
        OptionError: they suggest no limit.
    """
    if not limits:
        raise OptionError(
            "no dimension has a value over all images in every record",
            where=f"{_WHERE}: {listed(records)}",
            allowed="records of runs that measured one dimension at least",
        )
    without_evidence = masked_dimensions(records)
    if without_evidence:
        yield f"left out, masked and so no evidence of robustness: {listed(without_evidence)}"
    left_out = [name for name in unmeasured_dimensions(records) if name not in without_evidence]
    if left_out:
        yield f"left out, without a value over all images in every record: {listed(left_out)}"
    rows = (row for record in records.values() for row in record.verdicts)
    if any(row.outcome in ("pass", "fail", "uncertain") for row in rows):
        yield "these thresholds come from the images that the gate judges, so a later pass is less evidence"


def _facts(records: Mapping[str, Record]) -> SuiteFacts:
    """Return the suite facts with the most shifts; without any, those of the published suite."""
    facts = max(map(suite_facts, records.values()), key=lambda facts: len(facts.shifts), default=None)
    if facts is None:
        return published_facts()
    if facts.shifts:
        return facts
    # Parts of sets that no record measured are allowed; the classes are those of the records.
    return replace(
        published_facts(), class_names=facts.class_names, class_count=facts.class_count, slices=None
    )


def _check_protocol(thresholds: Thresholds, protocol: ProtocolName) -> None:
    """Check that a file is about the protocol of the values; by default `standard`."""
    stated = thresholds.protocol or "standard"
    if stated != protocol:
        values = f"the values to protocol {protocol}, which measures {listed(CROSS_PROTOCOL)} differently"
        raise OptionError(
            f"its thresholds belong to protocol {stated}, {values}",
            where=thresholds.label,
            allowed=f"a file with 'protocol: {protocol}', or a new file with -o",
        )
