"""`quba-check schema`: the JSON Schema of each file format."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import click

from quba_check.errors import OptionError
from quba_check.messages import did_you_mean


@click.command(
    "schema",
    short_help="print the JSON Schema of a file format, for editors",
    epilog="Example: quba-check schema thresholds",
)
@click.argument("form", metavar="FORMAT")
def schema(form: str) -> None:
    """Print the JSON Schema of a file format, for editors and other programs.

    FORMAT: doctor, population, preprocessing, record, suite, thresholds.
    """
    name = OLDER_NAMES.get(form, form)
    if name not in SCHEMAS:
        raise OptionError(
            f"quba-check schema: unknown format, got '{form}'. Allowed: {', '.join(SCHEMAS)}."
            f"{did_you_mean(form, SCHEMAS)}"
        )
    sys.stdout.write(json.dumps(SCHEMAS[name](), indent=2, ensure_ascii=False) + "\n")


def _threshold_schema() -> dict[str, Any]:
    from quba_check.demands import threshold_schema
    from quba_check.dimensions import registry

    registry.load_entry_points()
    return threshold_schema()


def _suite_schema() -> dict[str, Any]:
    from quba_check.suites import suite_schema

    return suite_schema()


def _doctor_schema() -> dict[str, Any]:
    from quba_check.doctor.examination import examination_schema

    return examination_schema()


def _population_schema() -> dict[str, Any]:
    from quba_check.grading import population_schema

    return population_schema()


def _preprocessing_schema() -> dict[str, Any]:
    from quba_check.models.preprocessing.file import preprocessing_schema

    return preprocessing_schema()


def _record_schema() -> dict[str, Any]:
    from quba_check.records.record import Record

    return Record.model_json_schema(by_alias=True, mode="serialization")


SCHEMAS: dict[str, Callable[[], dict[str, Any]]] = {
    "doctor": _doctor_schema,
    "population": _population_schema,
    "preprocessing": _preprocessing_schema,
    "record": _record_schema,
    "suite": _suite_schema,
    "thresholds": _threshold_schema,
}
"""JSON Schemas by name of the format."""
OLDER_NAMES = {"preparation": "preprocessing"}
"""Older names of formats, still accepted."""
