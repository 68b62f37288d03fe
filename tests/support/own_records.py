"""Stored runs of one model with chosen values, for tests of ranks."""

import math
from collections.abc import Mapping

import numpy as np
from support.tuned import quantity, record

from quba_check.comparison.stored_run import StoredRun
from quba_check.core.dimension import PUBLISHED_DIMENSIONS
from quba_check.dimensions import registry
from quba_check.records.per_image import PerImage

IMAGES = 10_000
SWIN_B = {
    "accuracy": 0.8358,
    "adversarial_robustness": 0.1492,
    "corruption_robustness": 0.7058,
    "ood_robustness": 0.6004,
    "calibration_error": 0.003,
    "class_balance": 0.8014,
    "object_focus": 0.9276,
    "shape_bias": 0.2328,
    "parameters": 87.8,
}


def own_run(
    values: Mapping[str, float] | None = None,
    *,
    name: str = "r50",
    error: float | None = None,
    suite: str | None = None,
    masked: tuple[str, ...] = (),
    file: str | None = None,
) -> StoredRun:
    """A run with these values, by default those of Swin-B on imagenet, else on the suite `tiny`.

    Args:
        error: standard error of the accuracy, over 10,000 images.
        masked: signs of masked gradients.
    """
    own = SWIN_B if values is None else values
    rows: dict[str, object] = {name: {"not_measured": True} for name in PUBLISHED_DIMENSIONS}
    for dimension, value in own.items():
        spread = error if dimension == "accuracy" else None
        rows[dimension] = quantity(value, spread, registry[dimension].unit, n=None, parts={})
    if masked:
        rows["adversarial_robustness"] = quantity(own["adversarial_robustness"], None, "ratio", masked=masked)
    is_published = len(own) == len(PUBLISHED_DIMENSIONS)
    model = {"name": name, "spec": f"{name}.pt", "classes": 1000 if is_published else 10}
    content = record().model_dump(mode="json", by_alias=True)
    changed = record(
        measurements=rows,
        model=content["model"] | model,
        suite=content["suite"] | {"name": suite or ("imagenet" if is_published else "tiny")},
    )
    images = None
    if error is not None:
        # The mean of n influences ± e √n has the standard error e.
        influences = np.tile([1.0, -1.0], IMAGES // 2) * error * math.sqrt(IMAGES)
        images = PerImage({"accuracy": {"clean": influences}})
    return StoredRun(file or f"{name}.json", changed, images)
