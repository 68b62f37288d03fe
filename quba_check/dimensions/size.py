"""Size: the parameters of the model, and the megabytes of its weights and files."""

from __future__ import annotations

from quba_check.core.dimension import Part
from quba_check.core.facts import Facts
from quba_check.core.measurement import Measurement, Quantity
from quba_check.core.predictions import Tables
from quba_check.dimensions._registry import dimension
from quba_check.errors import UnmeasurableError


@dimension(
    "parameters",
    title="How many parameters the module that classifies has.",
    unit="millions",
    better="low",
    weight=1,
    source="arXiv 2503.17110",
    parts=(Part("trainable", "millions", None, "parameters that a training would change"),),
)
def measure_parameters(_predictions: Tables, facts: Facts) -> Measurement:
    """Parameters in millions; rounded to 0.1 million under the protocol `released`, as published."""
    if facts.model.uncounted:
        raise UnmeasurableError(facts.model.uncounted)
    total = facts.model.parameters / 1e6
    trainable = facts.model.trainable / 1e6
    if facts.protocol.rounds_parameters:
        total, trainable = round(total, 1), round(trainable, 1)
    return Measurement(
        "parameters", total, "millions", None, parts={"trainable": Quantity(trainable, "millions", None)}
    )


@dimension(
    "size",
    title="How many megabytes the model's weights have, as they are stored.",
    unit="megabytes",
    better="low",
    source="10^6 bytes: ISO 80000-13",
    parts=(Part("file", "megabytes", "low", "the files that the model was loaded from"),),
)
def measure_size(_predictions: Tables, facts: Facts) -> Measurement:
    """Bytes of parameters and buffers in their stored types, in megabytes."""
    model = facts.model
    if model.uncounted or model.weight_bytes is None:
        raise UnmeasurableError(model.uncounted or "the bytes of its weights are not known")
    parts = {}
    if model.file_bytes is not None:
        parts["file"] = Quantity(model.file_bytes / 1e6, "megabytes", None)
    return Measurement("size", model.weight_bytes / 1e6, "megabytes", None, parts=parts)
