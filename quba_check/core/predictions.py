"""The table a model produced for a view, one row per image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

OUTSIDE = -1
"""Label of an image, or top-1 of an answer, that has no class in the label space."""


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """One row per image of a view, ordered by index.

    Attributes:
        index: (N,) int64, position of the image in its set; unique and increasing.
        label: (N,) int64, class of the image in the view's label space; `OUTSIDE` where it has none.
        top1: (N,) int64, class the model chose in that space; `OUTSIDE` where its choice has none.
        confidence: (N,) float32, probability of the chosen class.
        true_probability: (N,) float32, probability of the labelled class; NaN where label is `OUTSIDE`.
        probabilities: (N, C) float32 in the model's own classes, where the view keeps them.
        extra: further columns by name, each (N,): `texture` (class of the second cue, cue-conflict sets),
            `zero_gradient` (bool, FGSM), `always_right` (bool, PGD: right at the start and at every iterate),
            `moved` and `moved_share` (float32, attacked under `released`: largest |δ| in pixel units, and
            the share of pixel values moved by more than ε).
    """

    index: NDArray[np.int64]
    label: NDArray[np.int64]
    top1: NDArray[np.int64]
    confidence: NDArray[np.float32]
    true_probability: NDArray[np.float32]
    probabilities: NDArray[np.float32] | None = None
    extra: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.index)

    @property
    def by_index(self) -> Predictions:
        """The same rows, ordered by index."""
        order = np.argsort(self.index)
        return Predictions(
            self.index[order],
            self.label[order],
            self.top1[order],
            self.confidence[order],
            self.true_probability[order],
            None if self.probabilities is None else self.probabilities[order],
            {name: column[order] for name, column in self.extra.items()},
        )

    @property
    def right(self) -> NDArray[np.bool_]:
        """(N,) whether the top-1 is the label; an image without a label is never right."""
        right: NDArray[np.bool_] = (self.top1 == self.label) & (self.label != OUTSIDE)
        return right

    @property
    def accuracy(self) -> float:
        """Share of rows whose top-1 is right, in [0, 1]; NaN for an empty table."""
        return float(np.mean(self.right, dtype=np.float64)) if len(self) else float("nan")
