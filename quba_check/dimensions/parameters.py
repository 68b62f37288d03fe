"""Parameters: the size of the model."""

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
def measure(_predictions: Tables, facts: Facts) -> Measurement:
    """Parameters in millions; rounded to 0.1 million under the protocol `released`, as published."""
    if facts.model.uncounted:
        raise UnmeasurableError(facts.model.uncounted)
    total, trainable = facts.model.parameters / 1e6, facts.model.trainable / 1e6
    if facts.protocol.rounds_parameters:
        total, trainable = round(total, 1), round(trainable, 1)
    return Measurement(
        "parameters", total, "millions", None, parts={"trainable": Quantity(trainable, "millions", None)}
    )
