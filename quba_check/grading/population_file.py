"""Populations on disk: the JSON that `quba-check population` writes and threshold files name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.protocols import ProtocolName
from quba_check.dimensions import registry
from quba_check.errors import PopulationError, did_you_mean
from quba_check.grading.population import Population, PopulationRow
from quba_check.grading.score import LEAST_MODELS, has_spread
from quba_check.records.conversion import measurements_of
from quba_check.records.measurement import Number
from quba_check.records.record import Record
from quba_check.storage.user_files import read_json
from quba_check.strict_yaml.schema import SchemaVersion

LARGEST = 1e9
SAME_IN_A_FLEET = "parameters"
"""The dimension with one value for all models of one architecture."""


def possible_values(dimension: str) -> tuple[float, float]:
    """Return the smallest and the largest possible value of a dimension.

    object_focus is 1 minus a difference, so that chance can make it negative.

    >>> possible_values("accuracy"), possible_values("object_focus")[0] < 0
    ((0.0, 1.0), True)
    """
    if dimension == "object_focus":
        return -LARGEST, LARGEST
    return 0.0, 1.0 if registry[dimension].unit == "fraction" else LARGEST


class FileRow(BaseModel):
    """A model of a population.

    Attributes:
        id: its name, unique in the file.
        values: value by name of one of the nine dimensions, parameters in millions; what it lacks is absent.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(min_length=1)
    values: dict[str, Number]

    @model_validator(mode="after")
    def _knows_its_dimensions(self) -> FileRow:
        for name, value in self.values.items():
            if name not in PUBLISHED_DIMENSIONS:
                near = did_you_mean(name, PUBLISHED_DIMENSIONS)
                raise ValueError(f"unknown dimension '{name}' in the values of '{self.id}'.{near}")
            least, most = possible_values(name)
            if not least <= value <= most:
                allowed = f"from {least:g} to {most:g}" if most < LARGEST else f"from {least:g}"
                raise ValueError(f"{name} of '{self.id}' cannot be {value:g}: it is a number {allowed}")
        return self


class PopulationFile(BaseModel):
    """A population, as JSON.

    Later versions of schema 1 may add keys; a reader ignores keys that it does not know.

    Attributes:
        name: what reports call it.
        protocol: the protocol that all its values come from.
        suite: name of the suite that all its models were measured on.
        source: where the values are from, for people.
        rows: its models.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_version: SchemaVersion = Field(alias="schema")
    name: str = Field(min_length=1)
    protocol: ProtocolName
    suite: str = ""
    source: str = ""
    rows: tuple[FileRow, ...]

    @model_validator(mode="after")
    def _names_each_once(self) -> PopulationFile:
        name, times = Counter(row.id for row in self.rows).most_common(1)[0] if self.rows else ("", 0)
        if times > 1:
            raise ValueError(f"the model '{name}' is listed {times} times")
        return self

    def to_json(self) -> str:
        """The population as indented JSON text, numbers at full precision."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"

    @model_validator(mode="after")
    def _spreads(self) -> PopulationFile:
        for name in PUBLISHED_DIMENSIONS:
            values = [row.values[name] for row in self.rows if name in row.values]
            if name != SAME_IN_A_FLEET and len(values) >= LEAST_MODELS and not has_spread(values):
                raise ValueError(f"{name} is the same for all models, so they cannot be compared by it")
        return self

    @property
    def population(self) -> Population:
        """What grades are computed with."""
        rows = tuple(PopulationRow(row.id, row.values) for row in self.rows)
        return Population(self.name, self.protocol, self.suite, rows, self.source)


def population_schema() -> dict[str, Any]:
    """JSON Schema of a population file, for editors."""
    return PopulationFile.model_json_schema(by_alias=True)


def read_population(path: Path) -> Population:
    """The population of a file.

    Raises:
        PopulationError: the file cannot be read, or is no population.
    """
    content = read_json(path, str(path), PopulationError)
    try:
        return PopulationFile.model_validate(content).population
    except ValidationError as why:
        raise PopulationError(
            f"{path}: not a population: {first_error(why)} Allowed: a file that 'quba-check population' made."
        ) from why


def first_error(found: ValidationError) -> str:
    """Return the first error in a population, with its place, as a sentence."""
    first = found.errors()[0]
    where = ".".join(str(step) for step in first["loc"])
    problem = first["msg"].removeprefix("Value error, ")
    return f"{where}{': ' if where else ''}{problem}{'' if problem.endswith('?') else '.'}"


def population_from_records(records: Mapping[str, Record], name: str) -> PopulationFile:
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
        raise PopulationError(f"population: {first_error(why)}") from why


def _published_values(record: Record) -> dict[str, float]:
    measured = measurements_of(record.measurements)
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
