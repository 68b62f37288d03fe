"""Names and details of values for readers of the Hugging Face Hub."""

from __future__ import annotations

import re
from pathlib import PurePath

from quba_check.number_format import UNIT_SIGNS
from quba_check.records.measurement import MeasurementRow, QuantityRow
from quba_check.records.record import Record
from quba_check.records.verdict import VerdictRow
from quba_check.reports.verdict_labels import most_severe

TOOL = "quba-check"
"""Name of this package where a result states its origin."""
HUB = "huggingface_hub 1.4 or newer"
"""The package that a message asks for."""


def metric_name(name: str, quantity: QuantityRow) -> str:
    """Return the name of a metric with unit, number of images and caveats.

    >>> metric_name("accuracy", QuantityRow(value=0.9, unit="fraction", n=1000))
    'accuracy, 1,000 images'
    """
    words = [f"{name} in {quantity.unit}" if quantity.unit in UNIT_SIGNS else name]
    if (n := quantity.images or quantity.n) is not None:
        words.append(f"{n:,} images")
    if isinstance(quantity, MeasurementRow):
        words += ["masked: no evidence of robustness"] if quantity.masked else []
        words += [str(quantity.stopped)] if quantity.stopped is not None else []
    return ", ".join(words)


def demand_place(verdict: VerdictRow) -> str:
    """Return file and line of a demand; of an absolute path only the file's name.

    Model pages are public; the folders of a machine are not.
    """
    path = PurePath(verdict.file)
    return f"{path.name if path.is_absolute() else verdict.file}:{verdict.line}"


def worst_verdict(record: Record, dimension: str, part: str | None = None) -> VerdictRow | None:
    """Return the most severe verdict on a dimension or part; None without a demand."""
    return most_severe(row for row in record.verdicts if (row.dimension, row.part) == (dimension, part))


def slug(text: str) -> str:
    """Return a text with only the characters that the Hub allows in ids.

    >>> slug("my ten classes")
    'my-ten-classes'
    """
    return re.sub(r"[^A-Za-z0-9_.]+", "-", text).strip("-.") or "unnamed"
