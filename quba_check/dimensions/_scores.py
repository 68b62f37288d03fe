"""Scores of the confidence of answers, from stored predictions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quba_check.core.predictions import Predictions
from quba_check.core.request import AnswerScore
from quba_check.errors import InvariantError, UnmeasurableError
from quba_check.metrics.confidence_scores import energy, margin, max_logit, max_probability

NORMALISED = 1e-3
"""Largest |logsumexp| of log-probabilities, whose probabilities add up to 1."""


def image_scores(
    table: Predictions, score: AnswerScore, outputs: str | None = None, remedy: str = ""
) -> NDArray[np.float64]:
    """Return the score of each image.

    Args:
        table: the images.
        score: the score; see `metrics.confidence_scores`.
        outputs: kind of the model's outputs; None if unknown.
        remedy: advice for models whose outputs are not logits, as the end of a sentence.

    Raises:
        UnmeasurableError: the outputs of the model are not logits, which the score needs.
        InvariantError: the predictions lack the column that the score needs.
    """
    if score == "max_probability":
        return max_probability(table.confidence)
    name = "probabilities" if score == "margin" else "logsumexp"
    column = table.probabilities if score == "margin" else table.extra.get(name)
    if column is None:
        raise InvariantError(f"clean: the predictions came without the {name} that the score asks for")
    if score == "margin":
        return margin(column.astype(np.float32))
    logsumexp = column.astype(np.float32)
    outputs = outputs or "logits"
    if outputs == "logits" and np.abs(logsumexp).max() < NORMALISED:
        outputs = "log-probabilities"
    if outputs != "logits":
        raise UnmeasurableError(
            f"the score {score} needs logits, and the outputs of the model are {outputs}; {remedy}"
        )
    return (
        max_logit(table.extra["max_logit"].astype(np.float32)) if score == "max_logit" else energy(logsumexp)
    )
