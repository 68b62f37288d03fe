"""FLOPs: the floating-point operations of one image."""

from __future__ import annotations

from quba_check.core.facts import Facts
from quba_check.core.measurement import Measurement
from quba_check.core.predictions import Tables
from quba_check.dimensions._registry import dimension
from quba_check.errors import UnmeasurableError


@dimension(
    "flops",
    title="How many floating-point operations the model needs for one image.",
    unit="gigaflops",
    better="low",
    source="torch.utils.flop_counter",
)
def measure(_predictions: Tables, facts: Facts) -> Measurement:
    """Twice the multiplications and additions of one image at the model's input size, in 10^9."""
    if facts.model.count_flops is None:
        raise UnmeasurableError("there is no model to count the FLOPs of")
    return Measurement("flops", facts.model.count_flops() / 1e9, "gigaflops", None)
