"""Reference populations by name, or as JSON made by `quba-check published population` from records."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import Field, ValidationError, model_validator

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.protocols import ProtocolName
from quba_check.dimensions import registry
from quba_check.errors import InvalidValueError, PopulationError
from quba_check.grading.population import LEAST_MODELS, Population, PopulationRow, has_spread
from quba_check.grading.published import published_population, screened_population
from quba_check.messages import did_you_mean, known_names
from quba_check.records.measurement import JsonRow, Number, measurements_of
from quba_check.records.record import Record
from quba_check.storage.user_files import LARGEST_JSON, decode_json, file_kind, read_bytes
from quba_check.strict_yaml.schema import SchemaVersion

LARGEST = 1e9
CONSTANT_DIMENSION = "parameters"
"""The dimension that is equal for all models of one architecture."""


def possible_values(dimension: str) -> tuple[float, float]:
    """Return the smallest and the largest possible value of a dimension.

    object_focus is 1 minus a difference, so that chance can make it negative.

    >>> possible_values("accuracy"), possible_values("object_focus")[0] < 0
    ((0.0, 1.0), True)
    """
    if dimension == "object_focus":
        return -LARGEST, LARGEST
    return 0.0, 1.0 if registry[dimension].unit == "fraction" else LARGEST


class FileRow(JsonRow):
    """A model of a population.

    Attributes:
        id: its name, unique in the file.
        values: value by name of one of the nine dimensions, parameters in millions.
    """

    id: str = Field(min_length=1)
    values: dict[str, Number]

    @model_validator(mode="after")
    def _check_values(self) -> FileRow:
        for name, value in self.values.items():
            if name not in PUBLISHED_DIMENSIONS:
                raise InvalidValueError(
                    f"unknown dimension '{name}' in the values of '{self.id}'",
                    **known_names(name, PUBLISHED_DIMENSIONS),
                )
            least, most = possible_values(name)
            if not least <= value <= most:
                allowed = f"from {least:g} to {most:g}" if most < LARGEST else f"from {least:g}"
                raise ValueError(f"{name} of '{self.id}' cannot be {value:g}: it is a number {allowed}")
        return self


class PopulationFile(JsonRow):
    """A population, as JSON.

    Later versions of schema 1 may add keys; a reader ignores unknown keys.

    Attributes:
        name: its name in reports.
        protocol: the protocol of all values.
        suite: name of the suite of all values.
        source: origin of the values, as text.
        rows: its models.
    """

    schema_version: SchemaVersion = Field(alias="schema")
    name: str = Field(min_length=1)
    protocol: ProtocolName
    suite: str = ""
    source: str = ""
    rows: tuple[FileRow, ...]

    @model_validator(mode="after")
    def _check_rows(self) -> PopulationFile:
        for name, times in Counter(row.id for row in self.rows).items():
            if times > 1:
                raise ValueError(f"the model '{name}' is listed {times} times")
        for name in PUBLISHED_DIMENSIONS:
            values = [row.values[name] for row in self.rows if name in row.values]
            if name != CONSTANT_DIMENSION and len(values) >= LEAST_MODELS and not has_spread(values):
                raise ValueError(f"{name} is the same for all models, so they cannot be compared by it")
        return self

    @property
    def population(self) -> Population:
        """The population for grades."""
        rows = tuple(PopulationRow(row.id, row.values) for row in self.rows)
        return Population(self.name, self.protocol, self.suite, rows, self.source)


def read_population(path: Path, sha256: str | None = None) -> Population:
    """Read the population of a file.

    Args:
        path: the file.
        sha256: the digest that it had before; None if any content is accepted.

    Raises:
        PopulationError: the file cannot be read, has another digest, or is not a population.
    """
    data = read_bytes(path, str(path), PopulationError, LARGEST_JSON)
    if sha256 not in (None, hashlib.sha256(data).hexdigest()):
        raise PopulationError("the population changed during the run. Run the gate again.", where=f"{path}")
    content = decode_json(data, str(path), PopulationError)
    try:
        return PopulationFile.model_validate(content).population
    except ValidationError as why:
        raise PopulationError(
            f"not a population: {first_error(why)}",
            where=f"{path}",
            allowed="a file that 'quba-check published population' made",
        ) from why


def first_error(problem: ValidationError) -> str:
    """Return the first error in a population, with its place, as a sentence."""
    first = problem.errors()[0]
    where = ".".join(str(step) for step in first["loc"])
    text = first["msg"].removeprefix("Value error, ")
    return f"{where}{': ' if where else ''}{text}{'' if text.endswith('?') else '.'}"


def population_from_records(records: Mapping[str, Record], name: str) -> PopulationFile:
    """Return a population of the models of some records.

    A record may lack some of the nine dimensions. Masked values are left out.

    Args:
        records: at least ten records by name in messages (their file).
        name: name of the population.

    Raises:
        PopulationError: too few records, different protocols or suites, or a model twice.
    """
    if len(records) < LEAST_MODELS:
        raise PopulationError(
            "too few records to compare with",
            got=f"{len(records)}",
            allowed=f"{LEAST_MODELS} or more",
            where="population",
        )
    first_name, first = next(iter(records.items()))
    seen: dict[str, str] = {}
    for file, record in records.items():
        for quantity, value, first_value in (
            ("protocol", record.protocol, first.protocol),
            ("suite", record.suite.name, first.suite.name),
        ):
            if value != first_value:
                raise PopulationError(
                    f"a population has one {quantity}",
                    got=f"'{value}' where {first_name} has '{first_value}'",
                    where=file,
                )
        fingerprint = record.model.fingerprint
        if fingerprint in seen:
            raise PopulationError(
                f"the model '{record.model.name}' is in {seen[fingerprint]} already (fingerprint "
                f"{fingerprint}).",
                where=file,
            )
        seen[fingerprint] = file
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
        raise PopulationError(first_error(why), where="population") from why


def _published_values(record: Record) -> dict[str, float]:
    measured = measurements_of(record.measurements)
    # The others would raise the mean for honest models.
    values = {name: quantity.value for name, quantity in measured.items() if quantity.is_comparable}
    return {name: values[name] for name in PUBLISHED_DIMENSIONS if name in values}


def _unique_names(records: list[Record]) -> list[str]:
    """Return the model names, with the fingerprint after names of several models."""
    names = [record.model.name for record in records]
    return [
        name if names.count(name) == 1 else f"{name} ({record.model.fingerprint})"
        for name, record in zip(names, records, strict=True)
    ]


DEMO_FILE = Path(__file__).parents[1] / "demo" / "population.json"


BUILT_IN: Mapping[str, Callable[[], Population]] = {
    "published": published_population,
    "screened": screened_population,
    "demo": lambda: read_population(DEMO_FILE),
}
"""`published`: the 326 published models; `screened`: the same without suspect values; `demo`: the demo's."""
POPULATION_CHOICES = f"{', '.join(BUILT_IN)}, or a file that 'quba-check published population' made"
"""The populations that an option may name, as messages show them."""


def population(name_or_path: str | Path) -> Population:
    """Return a reference population by name or file.

    Args:
        name_or_path: `published`, `screened`, `demo`, or a file made by `quba-check published population`.

    Raises:
        PopulationError: no such population, or the file is not a population.

    >>> round(population("published").mu["accuracy"], 4)
    0.7991
    """
    if str(name_or_path) in BUILT_IN:
        return BUILT_IN[str(name_or_path)]()
    path = Path(name_or_path)
    if file_kind(path, f"population: {path}", PopulationError) is None:
        raise PopulationError(
            "no such name or file",
            got=f"'{name_or_path}'",
            allowed=POPULATION_CHOICES,
            hint=did_you_mean(str(name_or_path), BUILT_IN),
            where="population",
        )
    return read_population(path)
