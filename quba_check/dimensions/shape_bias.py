"""shape_bias: whether the model decides by shape or by texture where the two conflict."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from quba_check.core.confidence import bounded_curve
from quba_check.core.dimension import Part
from quba_check.core.facts import Facts, SetLabels, SuiteFacts
from quba_check.core.measurement import Measurement, Quantity
from quba_check.core.streaming import OverUnder, RatioOfMeans, SequentialStatistic
from quba_check.core.view import CUE_CONFLICT_SET, View
from quba_check.dimensions._ratios import Tables, Z, accuracy_on, share
from quba_check.dimensions._registry import dimension
from quba_check.dimensions._streaming import AT_MOST_ALL, first
from quba_check.errors import UnmeasurableError
from quba_check.metrics.cues import cue_hits
from quba_check.stats import intervals as limits
from quba_check.stats.estimate import Estimate

CUE_CONFLICT = View(CUE_CONFLICT_SET)


def _decided(tables: Tables) -> OverUnder:
    """Decisions for the shape, and for the shape or the texture, of images where the two differ."""
    table = tables[CUE_CONFLICT]
    texture = table.extra["texture"]
    conflict = table.label != texture
    shape = conflict & (table.predicted == table.label)
    either = shape | (conflict & (table.predicted == texture))
    return shape.astype(np.float64), either.astype(np.float64)


def _streamed(_suite: SuiteFacts, part: str | None) -> SequentialStatistic | None:
    return (
        SequentialStatistic((RatioOfMeans((CUE_CONFLICT,), _decided, AT_MOST_ALL),), first)
        if part is None
        else None
    )


def _check_conflicts(conflicts: int) -> None:
    if conflicts == 0:
        raise UnmeasurableError(
            "no cue-conflict image has shape and texture of different classes; add some", missing_data=True
        )


def _check_suite(_suite: SuiteFacts, labels: Callable[[View], SetLabels]) -> None:
    cues = labels(CUE_CONFLICT)
    _check_conflicts(int(np.count_nonzero(cues.label != cues.texture)))


@dimension(
    "shape_bias",
    title="How often the model decides by shape, of the times that it decides by shape or texture.",
    unit="fraction",
    better="high",
    weight=1 / 2,
    source="arXiv 2503.17110; cue-conflict images: Geirhos et al., ICLR 2019",
    views=(CUE_CONFLICT,),
    parts=(
        Part("shape_hits", "images", None, "decided for the class of the shape"),
        Part("texture_hits", "images", None, "decided for the class of the texture"),
        Part("either", "fraction", None, "share decided for one of the two"),
    ),
    streamed=_streamed,
    check_suite=_check_suite,
)
def measure(predictions: Tables, _facts: Facts) -> Measurement:
    """Shape hits / (shape hits + texture hits) on images whose shape and texture classes differ.

    Raises:
        UnmeasurableError: there are no such images, or none is decided for its shape or its texture.
    """
    accuracy_on(predictions, CUE_CONFLICT)  # an empty set has its own reason
    table = predictions[CUE_CONFLICT]
    hits = cue_hits(table.predicted, table.label, table.extra["texture"].astype(np.int64))
    n = hits.conflicts
    _check_conflicts(n)
    if hits.shape + hits.texture == 0:
        raise UnmeasurableError(
            f"none of the {n} cue-conflict images is decided for its shape or its texture; "
            "check the label space of the set cue_conflict"
        )
    conflict = table.label != table.extra["texture"]
    shape = (table.predicted == table.label)[conflict]
    either = shape | (table.predicted == table.extra["texture"])[conflict]
    bias = Estimate.mean(shape, CUE_CONFLICT) / Estimate.mean(either, CUE_CONFLICT)
    return Measurement(
        "shape_bias",
        hits.shape / (hits.shape + hits.texture),
        "fraction",
        n,
        bounded_curve(limits.wilson(hits.shape, hits.shape + hits.texture, Z), 0.0, 1.0),
        parts={
            "shape_hits": Quantity(float(hits.shape), "images", n),
            "texture_hits": Quantity(float(hits.texture), "images", n),
            "either": share(either, CUE_CONFLICT),
        },
        deviations=bias.deviations,
    )
