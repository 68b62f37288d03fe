"""accuracy: how often the model is right on clean images."""

from __future__ import annotations

from quba_check.dimensions._accuracies import Tables, accuracy_on, clean_probabilities, share
from quba_check.dimensions._registry import dimension
from quba_check.metrics.ranking import is_in_top_k
from quba_check.protocol.dimension import Part
from quba_check.protocol.facts import Facts, SuiteFacts
from quba_check.protocol.measurement import Measurement
from quba_check.protocol.view import CLEAN

TOP = 5


def _parts(suite: SuiteFacts) -> tuple[Part, ...]:
    top5 = Part("top5", "fraction", "high", "the label is among the five most probable classes")
    return (top5,) if suite.class_count > TOP else ()


@dimension(
    "accuracy",
    title="How often the model is right on clean images.",
    unit="fraction",
    better="high",
    weight=1,
    source="arXiv 2503.17110; ImageNet-1k: Russakovsky et al., IJCV 2015",
    views=(CLEAN,),
    parts=_parts,
)
def measure(predictions: Tables, facts: Facts) -> Measurement:
    """Share of clean images whose top-1 label is right.

    Raises:
        UnmeasurableError: there are no clean images.
    """
    top1 = accuracy_on(predictions, CLEAN)
    parts = {}
    if _parts(facts.suite):
        hits = is_in_top_k(clean_probabilities(predictions), predictions[CLEAN].label, TOP)
        parts["top5"] = share(hits, CLEAN)
    return Measurement.of("accuracy", top1, parts=parts)
