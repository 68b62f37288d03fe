"""The pages of threshold files, manifests, preprocessing files and records."""

from __future__ import annotations

from quba_check.cli.schema import SCHEMAS
from tools.reference.schemas import schema_page


def thresholds_page() -> str:
    """Return the page of threshold files."""
    return schema_page(
        "Threshold file: keys",
        SCHEMAS["thresholds"](),
        "`quba-check schema thresholds` prints this as JSON Schema. How to write one: "
        "[thresholds](../thresholds.md). `null` instead of a value removes what the extended file has.",
        {
            "DimensionEntry": "dimensions.NAME",
            "PartEntry": "dimensions.NAME.parts.PART",
            "AttackedEntry": "dimensions.adversarial_robustness",
            "AttackedPartEntry": "dimensions.adversarial_robustness.parts.PART",
        },
    )


def manifest_page() -> str:
    """Return the page of manifests."""
    return schema_page(
        "Manifest `quba-data.yaml`: keys",
        SCHEMAS["suite"](),
        "`quba-check schema suite` prints this as JSON Schema. How to write one: [data](../data.md).",
        {},
    )


def preprocessing_page() -> str:
    """Return the page of preprocessing files."""
    return schema_page(
        "Preprocessing file: keys",
        SCHEMAS["preprocessing"](),
        "`quba-check schema preprocessing` prints this as JSON Schema. When to write one: "
        "[models](../models.md#how-do-i-override-the-preprocessing).",
        {},
    )


def record_page() -> str:
    """Return the page of records."""
    return schema_page(
        "Record: keys",
        SCHEMAS["record"](),
        "The JSON that a run writes, see [the result](../reading-the-result.md#where-is-the-result-kept). "
        "`quba-check schema record` prints this as JSON Schema. Later versions of schema 1 may add keys, and "
        "rename or remove none.",
        {
            "MeasurementRow": "measurements.NAME with a value",
            "UnmeasurableRow": "measurements.NAME that cannot be measured",
            "NotMeasuredRow": "measurements.NAME that was not measured",
            "QuantityRow": "parts.NAME of a measurement",
            "StoppedRow": "stopped",
            "SetRow": "suite.sets.NAME",
        },
    )
