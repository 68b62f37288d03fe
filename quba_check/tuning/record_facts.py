"""Facts about suite and protocol from a record."""

from __future__ import annotations

from dataclasses import replace

from quba_check.core.facts import DecidedSet, SuiteFacts
from quba_check.core.measurement import Measurement, Quantity
from quba_check.core.view import CORRUPTIONS, CORRUPTIONS_SET, EXTRA_CORRUPTIONS, SEVERITIES
from quba_check.demands.demand import Demand, Thresholds
from quba_check.dimensions import registry
from quba_check.errors import ThresholdError
from quba_check.records.measurement import outcome_of
from quba_check.records.record import Record
from quba_check.verdicts.evidence import evidence_of


def suite_facts(record: Record) -> SuiteFacts:
    """Return the facts of a record's suite behind parts and sets of dimensions."""
    shifts, unknown, corruptions = (
        _sets(record, name) for name in ("ood_robustness", "unknown_detection", "corruption_robustness")
    )
    sets = record.suite.sets
    contents = record.suite.images
    decided = [name for name in contents if sets and not {name, name.partition("/")[0]} & {*sets}]
    return SuiteFacts(
        record.suite.name,
        record.model.classes,
        shifts,
        CORRUPTIONS,
        {},
        generates_corruptions=record.suite.generates_corruptions,
        unknown=unknown,
        extra_corruptions=tuple(name for name in corruptions if name in EXTRA_CORRUPTIONS),
        class_names=_class_names(record),
        decided={name: DecidedSet("", "mean") for name in decided},  # only names are recorded
    )


def _class_names(record: Record) -> tuple[str, ...]:
    """Return the names of all classes from a record's measurements; empty if unknown."""
    measured = record.measured
    rows = [measured[name] for name in ("classes", "class_balance", "answers") if name in measured]
    tables = [row.tables["classes"] for row in rows if "classes" in row.tables]
    names = [tuple(str(row[0]) for row in table.rows) for table in tables]
    names += [tuple(levels) for row in rows for levels in row.levels.values()]
    return next((class_names for class_names in names if len(class_names) == record.model.classes), ())


def _sets(record: Record, dimension: str) -> tuple[str, ...]:
    """Return the names of a dimension's sets: its parts that are better if higher."""
    row = record.measured.get(dimension)
    parts = {} if row is None else row.parts
    return tuple(name for name, part in parts.items() if part.better == "high" and not part.requested)


def judged_quantity(demand: Demand, record: Record) -> Quantity | None:
    """Return a run's value of a demand; None without one, or if masked."""
    row = record.measured.get(demand.dimension)
    measured = None if row is None else outcome_of(demand.dimension, row)
    if not isinstance(measured, Measurement) or measured.masked_for(demand.request):
        return None
    outcome = evidence_of(replace(demand, key="min"), measured)
    if not isinstance(outcome, Measurement):
        return None
    return outcome if demand.part is None else outcome.quantity(demand.part)


def images_behind(quantity: Quantity, demand: Demand, record: Record) -> int | None:
    """Return the number of images of a set behind a quantity.

    This is the size of the set that a demand names. Otherwise it is n, if it is the size of one of the
    dimension's sets or if the record has no sets, else the size of the smallest set, which contributes most
    to the error.
    """
    facts = suite_facts(record)
    request = demand.request
    if request.is_further_part:
        sets = {facts.view_set(facts.root_of(request.set))}
    else:
        sets = {view.set for view in registry[demand.dimension].views(facts)}
    sizes = {_size(name, record) for name in sets if name in record.suite.sets}
    return quantity.n if not sizes or quantity.n in sizes else min(sizes)


def _size(name: str, record: Record) -> int:
    """Return the images of a set; for corruptions, of one condition."""
    images = record.suite.sets[name].images
    if name != CORRUPTIONS_SET or record.suite.sample == "one":
        return images
    corruptions = (*CORRUPTIONS, *suite_facts(record).extra_corruptions)
    return images // (len(corruptions) * len(SEVERITIES))


def check_fresh(thresholds: Thresholds, record: Record) -> None:
    """Refuse a threshold file that needs fresh predictions for a record of other ones.

    Raises:
        ThresholdError: an answer was predicted before the run, or its origin is not known.
    """
    row = record.predictions
    if thresholds.needs_fresh and (row is None or not row.fresh):
        got = (
            f"a record of {record.model.name} without the origin of its answers" if row is None else row.text
        )
        raise ThresholdError(
            where=f"{thresholds.label}: predictions: fresh",
            got=got,
            hint="Run the gate again, with this file or with --quba-fresh.",
        )


def check_protocol(thresholds: Thresholds, record: Record) -> None:
    """Refuse a threshold file for another protocol than a record's.

    Raises:
        ThresholdError: the protocols differ.
    """
    if thresholds.protocol not in (None, record.protocol):
        protocol = record.protocol
        name = record.model.name
        raise ThresholdError(
            f"states protocol {thresholds.protocol}, but the values of {name} are of protocol {protocol}",
            where=thresholds.label,
            allowed=f"a file that states {protocol}, or no protocol",
        )
