"""`quba-check schema`: the JSON Schema of each file format."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import click

from quba_check.cli.files import write_output
from quba_check.demands import threshold_schema
from quba_check.dimensions import registry
from quba_check.errors import OptionError
from quba_check.grading.population_file import PopulationFile
from quba_check.messages import allowed_names
from quba_check.models.preprocessing.file import preprocessing_schema
from quba_check.records.record import Record
from quba_check.reports.tables import json_text
from quba_check.suites.manifest.schema import suite_schema


@click.command("schema", epilog="Example: quba-check schema thresholds")
@click.argument("form", metavar="FORMAT")
def schema(form: str) -> None:
    """Print the JSON Schema of a file format, for editors and other programs.

    FORMAT: doctor, population, preprocessing, record, suite, thresholds.
    """
    name = OLDER_NAMES.get(form, form)
    if name not in SCHEMAS:
        hint = allowed_names(form, SCHEMAS)
        raise OptionError("unknown format", where="quba-check schema", got=f"'{form}'", hint=hint)
    write_output(json_text(SCHEMAS[name]()))


def _threshold_schema() -> dict[str, Any]:
    registry.load_entry_points()
    return threshold_schema()


def _doctor_schema() -> dict[str, Any]:
    from quba_check.doctor.examination import EXAMINATIONS

    return EXAMINATIONS.json_schema(by_alias=True)


SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {
    "doctor": _doctor_schema,
    "population": partial(PopulationFile.model_json_schema, by_alias=True),
    "preprocessing": preprocessing_schema,
    "record": partial(Record.model_json_schema, by_alias=True, mode="serialization"),
    "suite": suite_schema,
    "thresholds": _threshold_schema,
}
"""JSON Schemas by name of the format."""
OLDER_NAMES = {"preparation": "preprocessing"}
"""Older names of formats, still accepted."""
