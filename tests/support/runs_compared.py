"""Stored runs of small models, for tests of comparisons."""

from typing import Any

import numpy as np
from support.tuned import record

from quba_check.comparison.baseline import Baseline, drop
from quba_check.comparison.difference import RunValue
from quba_check.comparison.stored_run import StoredRun
from quba_check.core.measurement import Drop, Unmeasurable
from quba_check.core.request import Request
from quba_check.records.per_image import CleanAnswers, PerImage
from quba_check.stats.estimate import Estimate

CLASSES = ("ape", "bee", "cat")


def stored(
    file: str, top1: list[int], *, images: bool = True, names: list[str] | None = None, **changed: Any
) -> StoredRun:
    """A run whose clean images have the labels 0, 1, 2, 0, 1, 2, …"""
    chosen = np.array(top1)
    label = np.arange(len(chosen)) % len(CLASSES)
    clean = Estimate.mean(chosen == label, "clean")
    content = record(clean.value, **changed)
    names = names or [f"{CLASSES[k]}/{place}.png" for place, k in enumerate(label)]
    found = PerImage({"accuracy": dict(clean.influences)}, CleanAnswers(names, label, chosen, CLASSES))  # type: ignore[arg-type]
    row = content.measurements["accuracy"].model_copy(update={"n": len(chosen)})
    content = content.model_copy(update={"measurements": {**content.measurements, "accuracy": row}})
    return StoredRun(file, content, found if images else None)


def dropped_from(
    baseline: Baseline, request: Request, after: RunValue | None, *, relative: bool
) -> Drop | Unmeasurable:
    """Return the loss of a number against a run."""
    before = baseline.value_of(request.dimension, request.part)
    return drop(baseline.file, request, before, after, relative=relative)
