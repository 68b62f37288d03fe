"""The page of the Python API; the site's builder fills it with docstrings."""

from __future__ import annotations

from collections.abc import Mapping

import quba_check
from tools.reference.markdown import page

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Judging": ("judge", "Options"),
    "Measuring": (
        "Evaluation",
        "LoadRequest",
        "NumpyModel",
        "read_preprocessing",
        "SubsetSampler",
        "RunSettings",
        "BatchSettings",
    ),
    "Results": ("Measurement", "Quantity", "Sample", "Table", "Unmeasurable", "Grade", "GradeRules"),
    "Score": ("quba_score", "published_models"),
    "Custom dimensions": ("dimension", "Dimension", "Part", "share"),
    "What a dimension reads": ("View", "CLEAN", "FGSM", "PGD", "Predictions", "Facts", "SuiteFacts"),
    "Files": ("open_suite", "Suite", "read_thresholds", "read_record", "Record"),
    "Errors": ("QubaError", "UserError", "UnmeasurableError"),
}

METRICS = (
    "metrics.calibration.expected_calibration_error",
    "metrics.calibration.adaptive_calibration_error",
    "metrics.calibration_noise.total_without_noise",
    "metrics.class_balance.accuracy_evenness",
    "metrics.class_balance.confidence_evenness",
    "stats.estimate.geometric_mean",
)
"""Functions of numbers whose formulas the page shows."""


def python_page() -> str:
    """Return the page.

    Raises:
        ValueError: the groups are not exactly the public names.
    """
    grouped = [name for names in GROUPS.values() for name in names]
    if sorted(grouped) != sorted(quba_check.__all__):
        raise ValueError(f"GROUPS: got {sorted(grouped)}. Allowed: {sorted(quba_check.__all__)}.")
    return page(
        "Python API",
        "How to measure without pytest: [Python](../python.md). The docs site shows the documentation of "
        "each name here. Elsewhere, `help(quba_check.Evaluation)` prints it.",
        *(
            f"## {title}\n\n" + "\n\n".join(f"::: quba_check.{name}" for name in names)
            for title, names in GROUPS.items()
        ),
        "## Metrics\n\nFunctions of arrays, which the [dimensions](../dimensions.md) use.\n\n"
        + "\n\n".join(f"::: quba_check.{name}" for name in METRICS),
    )
