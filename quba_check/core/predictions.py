"""A model's predictions for a view, one row per image, and their slices."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quba_check.core.view import View

NO_CLASS = -1
"""Label of an image, or prediction of a model, without a class in the label space."""


def most_frequent_class(label: NDArray[np.int64]) -> tuple[int, float]:
    """Return the most frequent class among labels, and its share.

    The share is the accuracy of a constant answer.

    >>> most_frequent_class(np.array([2, 0, 2, 2]))
    (2, 0.75)
    >>> most_frequent_class(np.array([], dtype=np.int64))
    (0, 0.0)
    """
    counts = np.bincount(label[label != NO_CLASS], minlength=1)
    return int(counts.argmax()), float(counts.max()) / max(len(label), 1)


def never_predicted(label: NDArray[np.int64], predicted: NDArray[np.int64]) -> list[int]:
    """Return the classes that have images and are never predicted, in their order.

    >>> never_predicted(np.array([0, 2, 2, NO_CLASS]), np.array([0, 0, 1, 0]))
    [2]
    """
    numbers: list[int] = np.setdiff1d(label[label != NO_CLASS], predicted).tolist()
    return numbers


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """One row per image of a view, ordered by index.

    Attributes:
        index: (N,) int64, position of the image in its set; unique and increasing.
        label: (N,) int64, class of the image in the view's label space, or `NO_CLASS`.
        predicted: (N,) int64, predicted class in that space, or `NO_CLASS`.
        confidence: (N,) float32, probability of the predicted class, in [0, 1].
        true_probability: (N,) float32, probability of the labelled class; NaN if the label is `NO_CLASS`.
        probabilities: (N, C) float32 in the model's own classes; None if the view does not ask for them.
        extra: further columns by name, each (N,): `texture` (class of the second cue, cue-conflict sets),
            `zero_gradient` (bool, FGSM), `always_right` (bool, PGD: correct at the start and at every
            iterate), `moved` and `moved_share` (float32, attacks under `released`: largest |δ| in pixel
            units, and the share of pixel values moved by more than ε), `logsumexp` and `max_logit` (float32,
            of the logits, if a score needs them), `name` (file of the image, unknown sets).
        group: (N,) int64, identifier of the group of each image, such as a patient, or the image and its
            copies. Equal ones in several views are one group. None if each image is its own group.
        acceptable: (N, K) int64, the classes that are right, `label` first, padded with `NO_CLASS`; None if
            `label` alone is right, as in views with attacks.
        slices: the slices of the images, by column; filled in for numbers that are demanded on slices.
    """

    index: NDArray[np.int64]
    label: NDArray[np.int64]
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float32]
    true_probability: NDArray[np.float32]
    probabilities: NDArray[np.float32] | None = None
    extra: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    group: NDArray[np.int64] | None = None
    acceptable: NDArray[np.int64] | None = None
    slices: Mapping[str, SliceColumn] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.index)

    def rows(self, selection: NDArray[np.bool_] | NDArray[np.intp]) -> Predictions:
        """Return some of the rows, by a mask or in the order of their positions."""

        def select(value: Any) -> Any:
            return None if value is None else value[selection]

        columns = {name: select(getattr(self, name)) for name in _COLUMNS}
        slices = {
            name: replace(column, numbers=select(column.numbers)) for name, column in self.slices.items()
        }
        extra = {name: select(column) for name, column in self.extra.items()}
        return Predictions(**columns, extra=extra, slices=slices)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """(N,) bool, True if the predicted class is a right one; False without a label."""
        right = self.label[:, None] if self.acceptable is None else self.acceptable
        correct: NDArray[np.bool_] = ((right == self.predicted[:, None]) & (right != NO_CLASS)).any(axis=1)
        return correct

    @property
    def matched_label(self) -> NDArray[np.int64]:
        """(N,) int64, class of each image; of several right ones, the predicted one."""
        return np.where(self.correct, self.predicted, self.label)

    @property
    def accuracy(self) -> float:
        """Share of correct predictions, in [0, 1]; NaN for an empty table."""
        return float(np.mean(self.correct, dtype=np.float64)) if len(self) else float("nan")


_COLUMNS = tuple(item.name for item in fields(Predictions) if item.name not in ("extra", "slices"))
"""Names of the columns that tables have, some of which may be None."""
Tables = Mapping[View, Predictions]
"""The predictions that a dimension reads, by view."""


def joined(tables: Sequence[Predictions]) -> Predictions:
    """Return the rows of several tables of the same images as one table, without slices."""
    columns: dict[str, Any] = {}
    for name in _COLUMNS:
        values = [getattr(table, name) for table in tables]
        columns[name] = None if any(column is None for column in values) else np.concatenate(values)
    shared = set.intersection(*({*table.extra} for table in tables))
    extra = {name: np.concatenate([table.extra[name] for table in tables]) for name in shared}
    return Predictions(**columns, extra=extra)


def outputs_digest(tables: Iterable[Predictions]) -> str:
    """Return the SHA-256 (hex) of predicted classes, their probabilities and those of the true classes."""
    digest = hashlib.sha256()
    for table in tables:
        label = table.matched_label
        for column in (table.index, label, table.predicted, table.confidence, table.true_probability):
            digest.update(column.tobytes())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class SliceColumn:
    """The slice of each image of a set, for one column or several crossed ones.

    Attributes:
        names: names of the slices, such as `lighting=night`, or `lighting=night,camera=old`.
        numbers: (N,) position in `names` of the slice of each image, in the order of the images' indices.
    """

    names: tuple[str, ...]
    numbers: NDArray[np.intp]

    def rows(self, name: str) -> NDArray[np.bool_]:
        """Return (N,) True for each image of a slice, which may have none."""
        rows: NDArray[np.bool_] = self.numbers == (self.names.index(name) if name in self.names else -1)
        return rows


def column_of(name: str) -> str:
    """Return the column of a slice; crossed ones are joined by a comma.

    >>> column_of("lighting=night"), column_of("lighting=night,camera=old")
    ('lighting', 'lighting,camera')
    """
    return ",".join(part.partition("=")[0] for part in name.split(","))
