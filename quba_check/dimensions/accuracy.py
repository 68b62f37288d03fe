"""accuracy: how often the model is right on clean images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quba_check.core.dimension import Part
from quba_check.core.facts import Facts, SuiteFacts
from quba_check.core.measurement import Measurement
from quba_check.core.streaming import SequentialStatistic
from quba_check.core.view import CLEAN
from quba_check.dimensions._ratios import Tables, accuracy_on, clean_probabilities, share
from quba_check.dimensions._registry import dimension
from quba_check.dimensions._streaming import correct_on, first, sequential_share
from quba_check.metrics.ranking import is_in_top_k

TOP = 5


def _parts(suite: SuiteFacts) -> tuple[Part, ...]:
    top5 = Part("top5", "fraction", "high", "the label is among the five most probable classes")
    return (top5,) if suite.class_count > TOP else ()


def _top5_hits(predictions: Tables) -> NDArray[np.bool_]:
    return is_in_top_k(clean_probabilities(predictions), predictions[CLEAN].label, TOP)


def _streamed(_suite: SuiteFacts, part: str | None) -> SequentialStatistic:
    hits = correct_on(CLEAN) if part is None else _top5_hits
    return SequentialStatistic((sequential_share((CLEAN,), hits),), first)


@dimension(
    "accuracy",
    title="How often the model is right on clean images.",
    unit="fraction",
    better="high",
    weight=1,
    source="arXiv 2503.17110; ImageNet-1k: Russakovsky et al., IJCV 2015",
    views=(CLEAN,),
    parts=_parts,
    streamed=_streamed,
)
def measure(predictions: Tables, facts: Facts) -> Measurement:
    """Share of clean images whose top-1 label is right.

    Raises:
        UnmeasurableError: there are no clean images.
    """
    top1 = accuracy_on(predictions, CLEAN)
    parts = {}
    if _parts(facts.suite):
        parts["top5"] = share(_top5_hits(predictions), CLEAN)
    return Measurement.of("accuracy", top1, parts=parts)
