"""Size: the megabytes of the model's weights and files."""

from __future__ import annotations

from quba_check.core.dimension import Part
from quba_check.core.facts import Facts
from quba_check.core.measurement import Measurement, Quantity
from quba_check.core.predictions import Tables
from quba_check.dimensions._registry import dimension
from quba_check.errors import UnmeasurableError


@dimension(
    "size",
    title="How many megabytes the model's weights have, as they are stored.",
    unit="megabytes",
    better="low",
    source="10^6 bytes: ISO 80000-13",
    parts=(Part("file", "megabytes", "low", "the files that the model was loaded from"),),
)
def measure(_predictions: Tables, facts: Facts) -> Measurement:
    """Bytes of parameters and buffers in their stored types, in megabytes."""
    model = facts.model
    if model.uncounted or model.weight_bytes is None:
        raise UnmeasurableError(model.uncounted or "the bytes of its weights are not known")
    parts = {}
    if model.file_bytes is not None:
        parts["file"] = Quantity(model.file_bytes / 1e6, "megabytes", None)
    return Measurement("size", model.weight_bytes / 1e6, "megabytes", None, parts=parts)
