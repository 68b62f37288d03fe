"""corruption_robustness: how much of the accuracy is left under the common corruptions."""

from __future__ import annotations

import numpy as np

from quba_check.dimensions._accuracies import Tables, accuracy_on, clean_accuracy
from quba_check.dimensions._registry import dimension
from quba_check.errors import UnmeasurableError
from quba_check.protocol.dimension import Part
from quba_check.protocol.facts import Facts, SuiteFacts
from quba_check.protocol.measurement import Measurement, Quantity
from quba_check.protocol.view import CLEAN, CORRUPTIONS_SET, SEVERITIES, View


def _corrupted(corruption: str, severity: int) -> View:
    return View(CORRUPTIONS_SET, corruption=corruption, severity=severity)


def _views(suite: SuiteFacts) -> tuple[View, ...]:
    return (CLEAN, *(_corrupted(name, severity) for name in suite.corruptions for severity in SEVERITIES))


def _parts(suite: SuiteFacts) -> tuple[Part, ...]:
    return (
        *(
            Part(name, "ratio", "high", f"relative accuracy under {name.replace('_', ' ')}, all severities")
            for name in suite.corruptions
        ),
        *(
            Part(f"severity_{severity}", "ratio", "high", f"relative accuracy at severity {severity}")
            for severity in SEVERITIES
        ),
    )


@dimension(
    "corruption_robustness",
    title="How much of the accuracy is left under noise, blur, weather and digital corruptions.",
    unit="ratio",
    better="high",
    weight=1 / 3,
    source="arXiv 2503.17110; ImageNet-C: Hendrycks and Dietterich, ICLR 2019",
    views=_views,
    parts=_parts,
)
def measure(predictions: Tables, facts: Facts) -> Measurement:
    """Mean over corruptions of the mean over severities of acc(corrupted) / acc(clean).

    Raises:
        UnmeasurableError: there are no corruptions, a set is empty, or the clean accuracy is 0.
    """
    names = facts.suite.corruptions
    if not names:
        raise UnmeasurableError(
            "the suite has no corruptions; declare the set 'corruptions'", missing_data=True
        )
    clean = clean_accuracy(predictions)
    accuracies = [[accuracy_on(predictions, _corrupted(name, s)) for s in SEVERITIES] for name in names]
    ratios = np.array([[accuracy.value for accuracy in row] for row in accuracies]) / clean
    rows = np.array([[accuracy.n for accuracy in row] for row in accuracies], dtype=np.int64)
    by_corruption, by_severity = ratios.mean(axis=1), ratios.mean(axis=0)
    parts = {
        name: Quantity(float(by_corruption[i]), "ratio", int(rows[i].sum())) for i, name in enumerate(names)
    } | {
        f"severity_{severity}": Quantity(float(by_severity[i]), "ratio", int(rows[:, i].sum()))
        for i, severity in enumerate(SEVERITIES)
    }
    return Measurement(
        "corruption_robustness", float(by_corruption.mean()), "ratio", int(rows.sum()), parts=parts
    )
