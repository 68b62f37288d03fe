"""The misclassified clean images of one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quba_check.comparison.csv_text import csv_text
from quba_check.comparison.stored_run import StoredRun

HEADINGS = ("index", "path", "label", "predicted", "confidence", "loss")


@dataclass(frozen=True, slots=True)
class Failure:
    """A misclassified clean image.

    Attributes:
        index: its position in the set; None if the run did not store it.
        path: its file, relative to the suite's folder.
        label: its class.
        predicted: the class that the model chose.
        confidence: probability of that class; None if the run did not store it.
        loss: cross-entropy, -log of the probability of the true class; likewise.
    """

    index: int | None
    path: str
    label: str
    predicted: str
    confidence: float | None
    loss: float | None


def failures(run: StoredRun) -> list[Failure]:
    """Return the misclassified images, by decreasing loss and then by position.

    Raises:
        UserError: the answers of the run are not stored.
    """
    answers = run.clean_answers()
    rows = answers.wrong.tolist()
    index = answers.index
    if index is None and run.record.limit is None:
        positions: Sequence[int | None] = rows
    else:
        positions = [None] * len(rows) if index is None else index[rows].tolist()
    unknown = [None] * len(rows)
    confidence = unknown if answers.confidence is None else answers.confidence.tolist()
    loss = unknown if answers.loss is None else answers.loss.tolist()
    wrong = [
        Failure(
            position,
            answers.names[row],
            answers.classes[answers.label[row]],
            answers.classes[answers.predicted[row]],
            *probabilities,
        )
        for row, position, *probabilities in zip(rows, positions, confidence, loss, strict=True)
    ]
    return sorted(wrong, key=lambda failure: -(failure.loss or 0.0))


def failures_csv(wrong: Sequence[Failure]) -> str:
    """Return misclassified images as CSV; probabilities and losses have six digits."""
    return csv_text(
        HEADINGS,
        (
            (
                image.index,
                image.path,
                image.label,
                image.predicted,
                _six_digits(image.confidence),
                _six_digits(image.loss),
            )
            for image in wrong
        ),
    )


def _six_digits(number: float | None) -> float | None:
    return None if number is None else float(f"{number:.6g}")
