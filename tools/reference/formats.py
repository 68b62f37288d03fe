"""The pages of the YAML files that users write, and of records."""

from __future__ import annotations

import re

from quba_check.cli.schema import SCHEMAS
from tools.reference.markdown import page
from tools.reference.schemas import format_sections


def files_page() -> str:
    """Return the page of the YAML files that users write."""
    return page(
        "Files: keys of threshold file, manifest and preprocessing file",
        "`quba-check schema thresholds` (or `suite`, `preprocessing`) prints a JSON Schema for editors; "
        "a first line `# yaml-language-server: $schema=FILE` names it.",
        *format_sections(
            "Threshold file",
            SCHEMAS["thresholds"](),
            "How to write one: [thresholds](../thresholds.md); the [dimensions](../dimensions.md). `null` "
            "instead of a value removes what the extended file has.",
            {
                "DimensionEntry": "dimensions.NAME",
                "PartEntry": "dimensions.NAME.parts.PART",
                "AttackedEntry": "dimensions.adversarial_robustness",
                "AttackedPartEntry": "dimensions.adversarial_robustness.parts.PART",
            },
        ),
        *format_sections(
            "Manifest",
            SCHEMAS["suite"](),
            "The file `quba-data.yaml`. How to write one: [data](../data.md).",
            {},
        ),
        *format_sections(
            "Preprocessing file",
            SCHEMAS["preprocessing"](),
            "When to write one: [models](../models.md#how-do-i-override-the-preprocessing).",
            {},
        ),
    )


def record_page() -> str:
    """Return the page of records, without the marks of required keys: a run writes them all."""
    sections = format_sections(
        "Record",
        SCHEMAS["record"](),
        "",
        {
            "MeasurementRow": "measurements.NAME",
            "UnmeasurableRow": "unmeasurable",
            "NotMeasuredRow": "not_measured",
            "QuantityRow": "measurements.NAME.parts.NAME",
            "StoppedRow": "stopped",
            "SetRow": "suite.sets.NAME",
        },
    )
    return page(
        "Record: keys",
        "The JSON that a run writes: [the result](../result.md#where-is-the-result-kept). "
        "`quba-check schema record` prints this as JSON Schema. "
        "[What may change](../compatibility.md) states what later versions keep.",
        *(re.sub(r"; required|[;,] `null` in older records", "", section) for section in sections),
    )
