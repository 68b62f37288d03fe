"""A population out of the records of one's own models."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.errors import PopulationError
from quba_check.grading.normalisation import LEAST_MODELS
from quba_check.grading.population_file import FileRow, PopulationFile, first_problem
from quba_check.records.conversion import measured_of
from quba_check.records.record import Record


def fleet_population(records: Mapping[str, Record], name: str) -> PopulationFile:
    """The population that some records make up.

    A record that lacks some of the nine dimensions is kept without them; a masked value counts as lacking.

    Args:
        records: ten records or more by what messages call them (their file).
        name: what the population is called.

    Raises:
        PopulationError: too few records, different protocols or suites, or a model twice.
    """
    if len(records) < LEAST_MODELS:
        raise PopulationError(
            f"population: too few records to compare with, got {len(records)}. "
            f"Allowed: {LEAST_MODELS} or more."
        )
    first_name, first = next(iter(records.items()))
    seen: dict[str, str] = {}
    for shown, record in records.items():
        for what, here, there in (
            ("protocol", record.protocol, first.protocol),
            ("suite", record.suite.name, first.suite.name),
        ):
            if here != there:
                raise PopulationError(
                    f"{shown}: a population has one {what}, got '{here}' where {first_name} has '{there}'."
                )
        fingerprint = record.model.fingerprint
        if fingerprint in seen:
            raise PopulationError(
                f"{shown}: the model '{record.model.name}' is in {seen[fingerprint]} already "
                f"(fingerprint {fingerprint})."
            )
        seen[fingerprint] = shown
    try:
        rows = tuple(
            FileRow(id=unique, values=_published_values(record))
            for unique, record in zip(_unique_names(list(records.values())), records.values(), strict=True)
        )
        return PopulationFile(
            schema=1,
            name=name,
            protocol=first.protocol,
            suite=first.suite.name,
            source=f"records of {len(rows)} models",
            rows=rows,
        )
    except ValidationError as why:
        raise PopulationError(f"population: {first_problem(why)}") from why


def _published_values(record: Record) -> dict[str, float]:
    measured = measured_of(record.measurements)
    # A masked value would raise the mean that honest models are compared with.
    values = {name: found.value for name, found in measured.items() if not found.masked}
    return {name: values[name] for name in PUBLISHED_DIMENSIONS if name in values}


def _unique_names(records: list[Record]) -> list[str]:
    """Model names, with the fingerprint behind those that several models share."""
    names = [record.model.name for record in records]
    return [
        name if names.count(name) == 1 else f"{name} ({record.model.fingerprint})"
        for name, record in zip(names, records, strict=True)
    ]
