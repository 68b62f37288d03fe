"""Misclassified clean images of one or two runs, and the most confident unknown images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from quba_check.comparison.stored_run import StoredRun
from quba_check.core.view import CLEAN_SET, UNKNOWN_PREFIX
from quba_check.errors import UserError
from quba_check.metrics.answer_pairs import FlipKind, PairedAnswers
from quba_check.records.per_image import CleanAnswers
from quba_check.records.record import Record
from quba_check.storage.csv_text import csv_text

FAILURE_HEADINGS = ("index", "path", "label", "predicted", "confidence", "loss")
FLIP_HEADINGS = ("image", "kind", "label", "before", "after")


@dataclass(frozen=True, slots=True)
class Failure:
    """An image that counts against a model: misclassified, unknown, or harmful to another value.

    Attributes:
        index: its position in the set; None if the run did not store it.
        path: its file, relative to the suite's folder.
        label: its class; empty if it has none.
        predicted: the class that the model chose; None if the run did not store it.
        confidence: probability of that class; None if the run did not store it.
        loss: cross-entropy, -log of the probability of the true class; None if the run did not store it.
        is_lost: the baseline classifies it correctly; False without a baseline.
        slices: names of the slices that it belongs to, such as `lighting=night`.
        set: name of its set.
        before: the class that the reference of `parity` chose; None without one.
    """

    index: int | None
    path: str
    label: str
    predicted: str | None
    confidence: float | None = None
    loss: float | None = None
    is_lost: bool = False
    slices: tuple[str, ...] = ()
    set: str = CLEAN_SET
    before: str | None = None

    def is_of(self, label: str | None, predicted: str | None, slice_name: str | None) -> bool:
        """Return True for an image of a class, predicted class and slice; None is any."""
        is_selected = label in (None, self.label) and predicted in (None, self.predicted)
        return is_selected and slice_name in (None, *self.slices)


def failures(run: StoredRun, baseline: StoredRun | None = None) -> list[Failure]:
    """Return the misclassified images, the most confident first, then by decreasing loss and position.

    Args:
        run: the run.
        baseline: an earlier run on the same images.

    Raises:
        UserError: the predictions of a run are not stored, or the runs have different clean images.
    """
    answers = run.clean_answers()
    rows = answers.wrong
    index = answers.index
    lost = np.zeros(len(rows), np.bool_)
    if baseline is not None:
        lost = clean_pairs(baseline, run, "--baseline: ").flips["lost"][rows]
    if index is None and run.record.limit is None:
        index = np.arange(len(answers.label))
    known = (None if index is None else index[rows], answers.confidence, answers.loss, lost)
    columns = [[None] * len(rows) if values is None else values.tolist() for values in known]
    wrong = []
    for row, place, sureness, loss, is_lost in zip(rows.tolist(), *columns, strict=True):
        label, predicted = (answers.classes[numbers[row]] for numbers in (answers.label, answers.predicted))
        slices = tuple(column.names[column.numbers[row]] for column in answers.slices.values())
        wrong.append(Failure(place, answers.names[row], label, predicted, sureness, loss, is_lost, slices))
    return sorted(wrong, key=lambda failure: (-(failure.confidence or 0.0), -(failure.loss or 0.0)))


def n_selected(answers: CleanAnswers, label: str | None, slice_name: str | None) -> int:
    """Return the number of clean images of a class and slice; None is any."""
    masks = [column.rows(str(slice_name)) for column in answers.slices.values() if slice_name in column.names]
    if label is not None:
        masks.append(answers.label == answers.classes.index(label))
    return int(np.logical_and.reduce(masks).sum()) if masks else len(answers.names)


def rejects(record: Record, name: str = "") -> list[Failure]:
    """Return the most confident unknown images of a record, of one set or all.

    A record keeps ten of each set, with the short name of the predicted class.
    """
    row = record.measured.get("unknown_detection")
    columns = ("set", "image", "predicted", "probability")
    return [
        Failure(None, str(image), "", str(predicted), float(probability), set=str(of))
        for of, image, predicted, probability in (row.table_rows("most_confident", *columns) if row else ())
        if not name or of == f"{UNKNOWN_PREFIX}{name}"
    ]


def failures_csv(wrong: Sequence[Failure]) -> str:
    """Return misclassified images as CSV; probabilities and losses have six digits.

    The last column has the slices of each image, if the run stored them.
    """
    has_slices = any(image.slices for image in wrong)
    rows = []
    for image in wrong:
        numbers = (number and float(f"{number:.6g}") for number in (image.confidence, image.loss))
        slices = ["; ".join(image.slices)] if has_slices else []
        rows.append((image.index, image.path, image.label, image.predicted, *numbers, *slices))
    return csv_text((*FAILURE_HEADINGS, *(["slices"] if has_slices else [])), rows)


class Flip(NamedTuple):
    """A clean image with different answers of two runs.

    Attributes:
        path: its file, relative to the suite's folder.
        kind: `lost` if only the first run is correct, `gained` if only the second one is.
        label: its class.
        before: the class that the first run chose.
        after: the class that the second run chose.
    """

    path: str
    kind: FlipKind
    label: str
    before: str
    after: str


def flips(before: StoredRun, after: StoredRun, where: str = "") -> list[Flip]:
    """Return the images with different answers, in the order of the set.

    Args:
        before: the first run.
        after: the second run.
        where: beginning of messages, before the names of the records.

    Raises:
        UserError: the predictions of a run are not stored, or the runs have different clean images.
    """
    pairs = clean_pairs(before, after, where)
    first = pairs.reference
    second = pairs.judged
    kinds = {row: kind for kind, mask in pairs.flips.items() for row in np.flatnonzero(mask).tolist()}
    columns = second.label, first.predicted, second.predicted
    return [
        Flip(second.names[row], kind, *(second.classes[column[row]] for column in columns))
        for row, kind in sorted(kinds.items())
    ]


def flips_csv(before: StoredRun, after: StoredRun) -> tuple[str, int]:
    """Return the images with different answers as CSV, and their number.

    Raises:
        UserError: see `flips`.
    """
    flipped = flips(before, after, "--flips: ")
    return csv_text(FLIP_HEADINGS, flipped), len(flipped)


def clean_pairs(before: StoredRun, after: StoredRun, where: str = "") -> PairedAnswers[CleanAnswers]:
    """Return the answers of two runs to the clean images; see `flips`."""
    first = before.clean_answers(where)
    second = after.clean_answers(where)
    content, other = (run.record.suite.contents.get(CLEAN_SET) for run in (before, after))
    has_equal_labels = np.array_equal(first.label, second.label) or content == other is not None
    if list(first.names) != list(second.names) or not has_equal_labels:
        raise UserError(
            f"{where}{before.file} and {after.file}: their clean images differ",
            allowed="runs on the same images",
        )
    return PairedAnswers(second, first)
