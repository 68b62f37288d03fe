"""Answers of an earlier run, for comparison with those of another model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from quba_check.core.predictions import Tables
from quba_check.core.view import CLEAN
from quba_check.errors import UnmeasurableError
from quba_check.messages import allowing
from quba_check.records.per_image import CleanAnswers


@dataclass(frozen=True, slots=True)
class RecordedAnswers:
    """The answers of an earlier run to the clean images, as a reference.

    Attributes:
        file: name of its record, for messages.
        answers: the answers; None if they are not stored.
        content: hash of the images and labels, as in the record.
        missing: the reason for no answers.
    """

    file: str
    answers: CleanAnswers | None
    content: str | None
    missing: str = ""

    def predictions(self, own: Tables, content: str, outputs: str | None) -> Tables:
        """Return the recorded predictions of the clean views.

        Their probabilities are unknown, unless all outputs are the same.

        Args:
            own: predictions of another model.
            content: hash of its clean images and labels.
            outputs: digest of its predictions of these, see `CleanAnswers`.

        Raises:
            UnmeasurableError: they are not stored, or of other images or labels.
        """
        if self.answers is None:
            raise UnmeasurableError(self.missing)
        if self.content != content:
            reason = f"{self.file} is of other clean images"
            raise UnmeasurableError(allowing(reason, "a record of a run on the same images"))
        clean = {view: table for view, table in own.items() if view.images == CLEAN.images}
        if self.answers.outputs == outputs is not None:
            return clean
        unknown = np.full(len(self.answers.predicted), np.nan, np.float32)
        hidden: dict[str, Any] = {"confidence": unknown, "true_probability": unknown, "probabilities": None}
        return {
            view: replace(table, predicted=self.answers.predicted, **hidden) for view, table in clean.items()
        }
