"""Values with limits on 50,000 images and 1,000 classes, against a bootstrap loop of 1,000 replicates.

The loop resamples the images and computes all values again. A few replicates are timed and extrapolated.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from measuring import cpu_of
from simulated import Model, typical

from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.core.predictions import Tables
from quba_check.core.protocols import BINS
from quba_check.core.view import CLEAN
from quba_check.dimensions import registry
from quba_check.metrics.calibration import adaptive_calibration_error, expected_calibration_error

IMAGES = 50_000
CLASSES = 1000
REPLICATES = 1000
TIMED = 3
NAMES = [name for name in PUBLISHED_DIMENSIONS if name not in ("calibration_error", "parameters")]


def resample(tables: Tables, rng: np.random.Generator) -> Tables:
    """Return images sampled with replacement; shifted clean images follow the clean ones."""
    resampled = {}
    rows = rng.integers(0, IMAGES, IMAGES)
    for view, table in tables.items():
        is_clean = view.set in ("clean", "corruptions")
        at = rows if is_clean else rng.integers(0, IMAGES, IMAGES)
        sampled = replace(table, probabilities=None).rows(at)
        # ACE is timed separately.
        resampled[view] = replace(sampled, index=table.index, probabilities=table.probabilities)
    return resampled


def main() -> None:
    rng = np.random.default_rng(0)
    model: Model = typical(rng, classes=CLASSES)
    tables = model.draw(IMAGES, rng)
    clean = tables[CLEAN]
    table = tables[CLEAN].probabilities
    assert table is not None  # noqa: S101
    whole = 0.0
    for name in NAMES:
        took = cpu_of(lambda name=name: registry[name].measure(tables, model.facts))
        whole += took
        print(f"{name:<24} {took:6.2f} s of CPU, value and limits")
    took = cpu_of(lambda: expected_calibration_error(clean.confidence, clean.correct, bins=BINS))
    whole += took
    print(f"{'ece':<24} {took:6.2f} s")
    print(f"{'all of these':<24} {whole:6.2f} s  (asked: 3)")

    def loop() -> None:
        again = resample(tables, rng)
        for name in NAMES:
            registry[name].measure(again, model.facts)
        expected_calibration_error(again[CLEAN].confidence, again[CLEAN].correct, bins=BINS)

    one = sum(cpu_of(loop) for _ in range(TIMED)) / TIMED
    print(
        f"{'a bootstrap loop':<24} {one * REPLICATES:6.0f} s, {one * REPLICATES / whole:.0f} times as long  "
        "(asked: 50)"
    )
    took = cpu_of(lambda: adaptive_calibration_error(table, clean.label, bins=BINS))
    print(f"{'ace':<24} {took:6.2f} s, value, limits and floor  (asked: 20)")


if __name__ == "__main__":
    main()
