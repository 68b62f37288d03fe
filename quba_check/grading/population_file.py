"""Populations on disk: the JSON that `quba-check population` writes and threshold files name."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from quba_check.errors import PopulationError, did_you_mean
from quba_check.grading.population import Population, PopulationRow
from quba_check.protocol.dimension import PUBLISHED_DIMENSIONS
from quba_check.protocol.json_row import SchemaVersion
from quba_check.protocol.settings import ProtocolName
from quba_check.user_files import read_json


class FileRow(BaseModel):
    """A model of a population.

    Attributes:
        id: its name, unique in the file.
        values: value by name of one of the nine dimensions, parameters in millions; what it lacks is absent.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(min_length=1)
    values: dict[str, FiniteFloat]

    @model_validator(mode="after")
    def _knows_its_dimensions(self) -> FileRow:
        for name in self.values:
            if name not in PUBLISHED_DIMENSIONS:
                near = did_you_mean(name, PUBLISHED_DIMENSIONS)
                raise ValueError(f"unknown dimension '{name}' in the values of '{self.id}'.{near}")
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
            raise ValueError(f"the model '{name}' stands there {times} times")
        return self

    def to_json(self) -> str:
        """The population as indented JSON text, numbers at full precision."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"

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
        first = why.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        problem = first["msg"].removeprefix("Value error, ")
        end = "" if problem.endswith("?") else "."
        raise PopulationError(
            f"{path}: not a population: {where}{': ' if where else ''}{problem}{end} "
            "Allowed: a file that 'quba-check population' made."
        ) from why
