"""Object focus: independence of the accuracy from the background."""

from __future__ import annotations

from quba_check.core.confidence import curve_of
from quba_check.core.dimension import Part
from quba_check.core.facts import Facts
from quba_check.core.measurement import Measurement, Sample
from quba_check.core.predictions import Tables
from quba_check.core.view import CLEAN, MIXED_RAND_SET, MIXED_SAME_SET, View
from quba_check.dimensions._ratios import accuracy_on, ratios, reference_notes
from quba_check.dimensions._registry import dimension
from quba_check.stats.estimate import Estimate
from quba_check.stats.image_intervals import additive_limits

SAME = View(MIXED_SAME_SET)
RANDOM = View(MIXED_RAND_SET)


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
)
def measure(predictions: Tables, _facts: Facts) -> Measurement:
    """1 − (acc(mixed-same) − acc(mixed-rand)) / acc(clean); above 1 if other backgrounds help.

    Raises:
        UnmeasurableError: a set is empty, or the clean accuracy is 0.
    """
    relative = ratios(predictions, (SAME, RANDOM))
    same = relative[SAME]
    random = relative[RANDOM]
    mean_same = Estimate.mean(same.correct, same.sample, is_reference=True)
    mean_clean = Estimate.mean(same.clean, CLEAN, is_reference=True)
    gain = (Estimate.mean(random.correct, random.sample) - mean_same) / mean_clean
    largest = 1 / mean_clean.value
    return Measurement(
        "object_focus",
        1 + gain.value,
        "fraction",
        len(same.correct) + len(random.correct),
        curve_of(lambda z, effect: 1 + additive_limits(gain, z, effect), 1 - largest, 1 + largest),
        influences=gain.influences,
        sample=Sample(len(same.correct) if same.sample == random.sample else None),
        notes=reference_notes(predictions),
        parts={"mixed_same": accuracy_on(predictions, SAME), "mixed_rand": accuracy_on(predictions, RANDOM)},
    )
