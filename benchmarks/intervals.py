"""Values with limits on 50,000 images and 1,000 classes, against a bootstrap loop of 1,000 replicates.

The loop resamples the images and computes all values again. A few replicates are timed and extrapolated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
from simulated import Model, typical

from quba_check.core.predictions import Predictions
from quba_check.core.protocols import BINS
from quba_check.core.view import CLEAN, View
from quba_check.dimensions import registry
from quba_check.metrics.calibration import adaptive_calibration_error, expected_calibration_error

IMAGES, CLASSES, REPLICATES, TIMED = 50_000, 1000, 1000, 3
NAMES = (
    "accuracy",
    "adversarial_robustness",
    "corruption_robustness",
    "ood_robustness",
    "class_balance",
    "object_focus",
    "shape_bias",
)
Tables = Mapping[View, Predictions]


def seconds(function: Callable[[], object]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def resample(tables: Tables, rng: np.random.Generator) -> dict[View, Predictions]:
    """Return images sampled with replacement; shifted clean images follow the clean ones."""
    resampled = {}
    rows = rng.integers(0, IMAGES, IMAGES)
    for view, table in tables.items():
        is_clean = view.set in ("clean", "corruptions")
        at = rows if is_clean else rng.integers(0, IMAGES, IMAGES)
        keeps = table.probabilities is not None
        resampled[view] = Predictions(
            table.index,
            table.label[at],
            table.predicted[at],
            table.confidence[at],
            table.true_probability[at],
            table.probabilities if keeps else None,  # ACE is timed separately
            {name: column[at] for name, column in table.extra.items()},
        )
    return resampled


def main() -> None:
    rng = np.random.default_rng(0)
    model: Model = typical(rng, classes=CLASSES)
    tables = model.draw(IMAGES, rng)
    clean, table = tables[CLEAN], tables[CLEAN].probabilities
    assert table is not None  # noqa: S101
    whole = 0.0
    for name in NAMES:
        took = seconds(lambda name=name: registry[name].measure(tables, model.facts))
        whole += took
        print(f"{name:<24} {took:6.2f} s of CPU, value and limits")
    took = seconds(lambda: expected_calibration_error(clean.confidence, clean.correct, bins=BINS))
    whole += took
    print(f"{'ece':<24} {took:6.2f} s")
    print(f"{'all of these':<24} {whole:6.2f} s  (asked: 3)")

    def loop() -> None:
        again = resample(tables, rng)
        for name in NAMES:
            registry[name].measure(again, model.facts)
        expected_calibration_error(again[CLEAN].confidence, again[CLEAN].correct, bins=BINS)

    one = sum(seconds(loop) for _ in range(TIMED)) / TIMED
    print(
        f"{'a bootstrap loop':<24} {one * REPLICATES:6.0f} s, {one * REPLICATES / whole:.0f} times as long  "
        "(asked: 50)"
    )
    took = seconds(lambda: adaptive_calibration_error(table, clean.label, bins=BINS))
    print(f"{'ace':<24} {took:6.2f} s, value, limits and floor  (asked: 20)")


if __name__ == "__main__":
    main()
