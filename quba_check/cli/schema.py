"""`quba-check schema`: the JSON Schema of each file format."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from quba_check.cli.files import write_output
from quba_check.cli.parser import INPUT, value_option
from quba_check.demands import threshold_schema
from quba_check.dimensions import registry
from quba_check.errors import OptionError
from quba_check.grading.population_file import PopulationFile
from quba_check.messages import known_names
from quba_check.models.preprocessing.file import PreprocessingFile
from quba_check.records.record import Record
from quba_check.reports.tables import json_text
from quba_check.suites.manifest.schema import ManifestEntry

DRAFT = "https://json-schema.org/draft/2020-12/schema"
FILE = "{}-1.json"
"""Name of the file of a schema; the number is the version that files state as `schema`."""


@click.command("schema", epilog="Example: quba-check schema thresholds")
@click.argument("form", metavar="[FORMAT]", required=False)
@value_option("--write", "DIR", "write the schemas of all formats, or of FORMAT, as FORMAT-1.json", INPUT)
def schema(form: str | None, write: Path | None) -> None:
    """Print the JSON Schema of a file format, for editors and other programs.

    FORMAT: doctor, population, preprocessing, record, suite, thresholds.
    """
    if form not in SCHEMAS and (form is not None or write is None):
        got = f"'{form}'" if form else "none"
        raise OptionError(
            "unknown format", where="quba-check schema", got=got, **known_names(form or "", SCHEMAS)
        )
    for name in [form] if form else SCHEMAS:
        write_output(schema_text(name), write and write / FILE.format(name))


def schema_text(name: str) -> str:
    """Return the JSON Schema of a format, with its identifier and version."""
    return json_text({"$schema": DRAFT, "$id": f"urn:quba-check:{name}-1", **SCHEMAS[name]()})


def _threshold_schema() -> dict[str, Any]:
    registry.load_entry_points()
    return threshold_schema()


def _doctor_schema() -> dict[str, Any]:
    from quba_check.doctor.examination import EXAMINATIONS

    return EXAMINATIONS.json_schema(by_alias=True)


SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {
    "doctor": _doctor_schema,
    "population": partial(PopulationFile.model_json_schema, by_alias=True),
    "preprocessing": partial(PreprocessingFile.model_json_schema, by_alias=True),
    "record": partial(Record.model_json_schema, by_alias=True, mode="serialization"),
    "suite": partial(ManifestEntry.model_json_schema, by_alias=True),
    "thresholds": _threshold_schema,
}
"""JSON Schemas by name of the format."""
