"""A run whose answers are compared with those of a reference, for tests of reports and the page."""

from dataclasses import replace
from typing import Any

import numpy as np
from support.tuned import quantity, record

from quba_check.comparison.stored_run import StoredRun
from quba_check.records.per_image import CleanAnswers, PerImage

NAMES = ("ape", "bee", "cat")
TABLES: dict[str, Any] = {
    "flips": {
        "columns": ["kind", "images", "share"],
        "rows": [["lost", 2, 0.02], ["gained", 1, 0.01], ["wrong to wrong", 0, 0.0]],
    },
    "flips_by_class": {
        "columns": ["class", "images", "lost", "gained", "wrong_to_wrong"],
        "rows": [["bee", 40, 2, 0, 0], ["cat", 20, 0, 1, 0]],
    },
    "reference": {"columns": ["right", "accuracy"], "rows": [[88, 0.88]]},
    "changed_answers": {
        "columns": ["before", "after", "images"],
        "rows": [["bee", "ape", 2], ["ape", "cat", 1]],
    },
    "probability_changes": {
        "columns": ["from", "to", "images"],
        "rows": [[0.0, 0.5, 97], [0.5, 1.0, 3]],
        "note": "99.9th percentile of the largest change of a probability: 0.63",
    },
    "flipped_images": {
        "columns": ["image", "kind", "label", "before", "after", "probability_change"],
        "rows": [
            ["3.png", "lost", "bee", "bee", "ape", 0.63],
            ["1.png", "lost", "bee", "bee", "ape", 0.6],
            ["2.png", "gained", "cat", "ape", "cat", 0.55],
        ],
    },
}


def parity_run(*, tables: dict[str, Any] | None = None, same: bool = False, **changed: Any) -> StoredRun:
    """A run with 97 of 100 equal answers, or with the same predictions."""
    row = quantity(1.0 if same else 0.97, 0.0 if same else 0.01, "fraction", better="high", n=100)
    row |= {"tables": TABLES if tables is None else tables} if not same else {}
    content = record(measurements={"parity": row}, **changed)
    label = np.arange(6) % 3
    names = [f"{k}.png" for k in range(6)]
    answers = CleanAnswers(names, label, label, NAMES, np.array([0, 1, 3, 7, 8, 9]))
    return StoredRun("a.json", content, PerImage(clean=answers))


def with_parity(run: StoredRun) -> StoredRun:
    """A run with the parity of `parity_run`, and its own other dimensions."""
    parity = parity_run()
    assert parity.images is not None
    assert run.images is not None
    measurements = {**run.record.measurements, **parity.record.measurements}
    record = run.record.model_copy(update={"measurements": measurements})
    return replace(run, record=record, images=replace(run.images, clean=parity.images.clean))
