"""Scores of the confidence of answers, from stored predictions; all are higher for surer answers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quba_check.core.predictions import Predictions
from quba_check.core.request import AnswerScore
from quba_check.errors import InvariantError, UnmeasurableError

NORMALISED = 1e-3
"""Largest |logsumexp| of log-probabilities, whose probabilities add up to 1."""


def image_scores(
    table: Predictions, score: AnswerScore, outputs: str | None = None, remedy: str = ""
) -> NDArray[np.float64]:
    """Return the score of each image.

    It is a function of stored columns: the largest softmax probability (Hendrycks and Gimpel, ICLR 2017),
    that minus the second largest (Scheffer, Decomain and Wrobel, IDA 2001), the largest logit (Hendrycks et
    al., ICML 2022), or the logsumexp of the logits, which is the negative energy at temperature 1 (Liu et
    al., NeurIPS 2020). The largest logit is not computed from the others: their rounding would break ties.

    Args:
        table: the images.
        score: the score.
        outputs: kind of the model's outputs; None if unknown.
        remedy: advice for models whose outputs are not logits, as the end of a sentence.

    Raises:
        UnmeasurableError: the outputs of the model are not logits, which the score needs.
        InvariantError: the predictions lack the column that the score needs.
    """
    if score == "max_probability":
        return table.confidence.astype(np.float64)
    name = "probabilities" if score == "margin" else "logsumexp"
    column = table.probabilities if score == "margin" else table.extra.get(name)
    if column is None:
        raise InvariantError(f"clean: the predictions came without the {name} that the score asks for")
    if score == "margin":
        second, first = np.partition(column.astype(np.float32), -2, axis=1)[:, -2:].T.astype(np.float64)
        return np.asarray(first - second)
    outputs = outputs or "logits"
    if outputs == "logits" and np.abs(column.astype(np.float32)).max() < NORMALISED:
        outputs = "log-probabilities"
    if outputs != "logits":
        raise UnmeasurableError(
            f"the score {score} needs logits, and the outputs of the model are {outputs}; {remedy}"
        )
    return (table.extra["max_logit"] if score == "max_logit" else column).astype(np.float64)
