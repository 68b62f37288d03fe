"""Shape bias: decisions by shape rather than texture where the two conflict."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from quba_check.core.dimension import Part
from quba_check.core.facts import Facts, SetLabels, SuiteFacts, table_class_names
from quba_check.core.measurement import Measurement, Quantity, Table
from quba_check.core.predictions import Tables
from quba_check.core.view import CUE_CONFLICT_SET, View
from quba_check.dimensions._ratios import accuracy_on, share, share_curve
from quba_check.dimensions._registry import dimension
from quba_check.errors import UnmeasurableError
from quba_check.stats.estimate import Estimate

CUE_CONFLICT = View(CUE_CONFLICT_SET)
CueMasks = tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]


def cue_hits(decision: NDArray[np.int64], shape: NDArray[np.int64], texture: NDArray[np.generic]) -> CueMasks:
    """Find the images decided for one of two conflicting cues.

    A negative number is not a class: a decision for it hits nothing.

    Args:
        decision: (N,) predicted class.
        shape: (N,) class of the shape.
        texture: (N,) class of the texture.

    Returns:
        (N,) bool, True if shape and texture are of different classes, others do not count; (N,) bool, True if
        such an image is decided for the class of its shape; and (N,) bool, likewise for its texture. Shape
        bias is the number of shape hits among all hits.

    Source: Geirhos et al., ICLR 2019 (cue conflict, shape bias).

    >>> hits = cue_hits(np.array([0, 1, 2, 3]), np.array([0, 0, 0, 3]), np.array([1, 1, 1, 3]))
    >>> _, by_shape, by_texture = hits
    >>> by_shape.tolist(), by_texture.tolist()
    ([True, False, False, False], [False, True, False, False])
    """
    conflict = shape != texture
    decided = conflict & (decision >= 0)
    return conflict, decided & (decision == shape), decided & (decision == texture)


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
    check_suite=_check_suite,
)
def measure(predictions: Tables, facts: Facts) -> Measurement:
    """Shape hits / (shape hits + texture hits) on images whose shape and texture conflict.

    Raises:
        UnmeasurableError: there are no such images, or none is decided for its shape or its texture.
    """
    accuracy_on(predictions, CUE_CONFLICT)  # raises the reason of an empty set
    table = predictions[CUE_CONFLICT]
    hits = cue_hits(table.predicted, table.label, table.extra["texture"])
    n, n_shape, n_texture = (int(np.count_nonzero(mask)) for mask in hits)
    conflict, by_shape, by_texture = hits
    is_decided = by_shape | by_texture
    _check_conflicts(n)
    n_either = n_shape + n_texture
    if n_either == 0:
        raise UnmeasurableError(
            f"none of the {n} cue-conflict images is decided for its shape or its texture; "
            "check the label space of the set cue_conflict"
        )
    rows = conflict if table.group is None else slice(None)  # groups are those of all images
    bias = Estimate.mean(by_shape[rows], CUE_CONFLICT) / Estimate.mean(is_decided[rows], CUE_CONFLICT)
    return Measurement(
        "shape_bias",
        n_shape / n_either,
        "fraction",
        n,
        share_curve(n_shape, n_either),
        parts={
            "shape_hits": Quantity(float(n_shape), "images", n),
            "texture_hits": Quantity(float(n_texture), "images", n),
            "either": share(is_decided[conflict], CUE_CONFLICT),
        },
        influences=bias.influences,
        tables={"categories": _category_table(table.label, hits, facts.suite)},
    )


def _category_table(label: NDArray[np.int64], hits: CueMasks, suite: SuiteFacts) -> Table:
    """Return conflicts and hits by the class of the shape, for classes with a conflict."""
    in_class = label >= 0
    conflict, _, _ = hits
    classes = np.unique(label[conflict & in_class])
    count = int(classes.max(initial=-1)) + 1
    columns = [np.bincount(label[mask & in_class], minlength=count)[classes].tolist() for mask in hits]
    names = table_class_names(suite.class_names_of(CUE_CONFLICT_SET), count)
    return Table(
        ("category", "images", "shape_hits", "texture_hits"),
        tuple(zip([names[k] for k in classes], *columns, strict=True)),
        "by the class of the shape; images whose texture is of the same class are left out",
    )
