"""object_focus: how little the model leans on the background."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from quba_check.core.confidence import bounded_curve
from quba_check.core.dimension import Part
from quba_check.core.facts import Facts, SuiteFacts
from quba_check.core.measurement import Measurement
from quba_check.core.streaming import OverUnder, RatioOfMeans, SequentialStatistic
from quba_check.core.view import CLEAN, MIXED_RAND_SET, MIXED_SAME_SET, View
from quba_check.dimensions._ratios import Tables, Z, accuracy_on, ratios
from quba_check.dimensions._registry import dimension
from quba_check.dimensions._streaming import right_on, streamed_share
from quba_check.stats.estimate import Estimate
from quba_check.stats.image_intervals import additive_limits

SAME = View(MIXED_SAME_SET)
RANDOM = View(MIXED_RAND_SET)


def _gained(tables: Tables) -> OverUnder:
    """What other backgrounds add to the accuracy, image by image."""
    gain = tables[RANDOM].correct.astype(np.float64) - tables[SAME].correct
    return gain, np.ones_like(gain)


def _streamed(_suite: SuiteFacts, part: str | None) -> SequentialStatistic | None:
    gain = RatioOfMeans((SAME, RANDOM), _gained, ((-1.0, 1.0), (1.0, 1.0)))
    return (
        SequentialStatistic((gain, streamed_share((CLEAN,), right_on(CLEAN))), _focus)
        if part is None
        else None
    )


def _focus(means: Sequence[float]) -> float:
    """The value from the mean gain and the clean accuracy."""
    gain, clean = means
    return 1 + (gain / clean if clean else math.copysign(math.inf, gain))


@dimension(
    "object_focus",
    title="How little the model leans on the background of the object.",
    unit="fraction",
    better="high",
    weight=1 / 2,
    source="arXiv 2503.17110; ImageNet-9, mixed-same and mixed-rand: Xiao et al., ICLR 2021",
    views=(CLEAN, SAME, RANDOM),
    parts=(
        Part("mixed_same", "fraction", None, "accuracy on backgrounds of the same class"),
        Part("mixed_rand", "fraction", None, "accuracy on backgrounds of random classes"),
    ),
    streamed=_streamed,
)
def measure(predictions: Tables, _facts: Facts) -> Measurement:
    """1 − (acc(mixed-same) − acc(mixed-rand)) / acc(clean); above 1 where other backgrounds help.

    Raises:
        UnmeasurableError: a set is empty, or the clean accuracy is 0.
    """
    found = ratios(predictions, (SAME, RANDOM))
    same, clean = (
        Estimate.mean(right, sample, is_reference=True)
        for right, sample in ((found[SAME].correct, found[SAME].sample), (found[SAME].clean, CLEAN))
    )
    gain = (Estimate.mean(found[RANDOM].correct, found[RANDOM].sample) - same) / clean
    return Measurement(
        "object_focus",
        1 + gain.value,
        "fraction",
        len(predictions[SAME]) + len(predictions[RANDOM]),
        bounded_curve(1 + additive_limits(gain, Z), 1 - 1 / clean.value, 1 + 1 / clean.value),
        deviations=gain.deviations,
        parts={"mixed_same": accuracy_on(predictions, SAME), "mixed_rand": accuracy_on(predictions, RANDOM)},
    )
