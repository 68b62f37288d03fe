"""Requests: numbers that threshold files ask for, next to the fixed parts of dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from quba_check.core.view import CLEAN_SET

Rate = Literal["recall", "specificity", "precision", "npv"]
"""A share of images: a part of a class's row or column in the confusion matrix."""
RATES: tuple[Rate, ...] = get_args(Rate)


@dataclass(frozen=True, slots=True)
class ClassRequest:
    """A number of one class against the rest, or of a few classes taken together.

    Attributes:
        target: the key in the threshold file, such as `melanoma` or `benign|nevus`.
        classes: the classes' numbers, which count as one class.
        metric: the number.
        set: the set of images that it is measured on.
    """

    target: str
    classes: tuple[int, ...]
    metric: Rate
    set: str = CLEAN_SET

    @property
    def dimension(self) -> str:
        """The dimension that measures it."""
        return "classes"

    @property
    def name(self) -> str:
        """Name of the part: `melanoma.recall`."""
        return f"{self.target}.{self.metric}"


AnswerMetric = Literal["share", "accuracy", "aurc"]
ANSWER_METRICS: tuple[AnswerMetric, ...] = get_args(AnswerMetric)
AnswerScore = Literal["max_probability", "margin", "max_logit", "energy"]
"""A number for the confidence of an answer; `margin` is the largest probability minus the second largest."""
ANSWER_SCORES: tuple[AnswerScore, ...] = get_args(AnswerScore)


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    """A number of a model that answers only if it is sure enough.

    Attributes:
        metric: the share of answered images, their accuracy, or the area under the risk-coverage curve.
        score: the confidence of an answer.
        threshold: an image is answered if its score is at least this; None if it is to be found.
        error: largest error among the answered, for the lowest threshold that keeps it on new images.
        confidence: probability of that guarantee.
    """

    metric: AnswerMetric
    score: AnswerScore = "max_probability"
    threshold: float | None = None
    error: float | None = None
    confidence: float = 0.95

    @property
    def dimension(self) -> str:
        """The dimension that measures it."""
        return "answers"

    @property
    def name(self) -> str:
        """Name of the part: `share@probability=0.9`."""
        score = None if self.score == "max_probability" else f"score={self.score}"
        if self.metric == "aurc":
            return "@".join(filter(None, ["aurc", score]))
        if self.error is None:
            return f"{self.metric}@{'probability' if score is None else self.score}={self.threshold:.9g}"
        rule = [f"error={self.error:.9g}", f"confidence={self.confidence:.9g}", score]
        return f"{self.metric}@{','.join(filter(None, rule))}"

    @property
    def needs_logits(self) -> bool:
        """True if the score is computed from logits."""
        return self.score in ("max_logit", "energy")


Request = ClassRequest | AnswerRequest
"""What a threshold file can ask for."""
