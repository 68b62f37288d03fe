"""Requests: numbers that threshold files ask for, next to the fixed parts of dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from quba_check.core.view import CLEAN_SET

Rate = Literal["recall", "specificity", "precision", "npv"]
"""A share of images: a part of a class's row or column in the confusion matrix."""
RATES: tuple[Rate, ...] = get_args(Rate)
ClassMetric = Literal["recall", "specificity", "precision", "npv", "f1", "auroc", "confusion"]
"""A number of one class against the rest; `confusion` is the share of its images called another class."""
Rule = Literal["probability", "specificity", "recall"]
BY_PROBABILITY: Rule = "probability"
EACH, MACRO, NOT_AS = "each", "macro", "not_as"
"""Targets that are no class: the worst class, the mean of all classes, and confusions."""


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """The probability from which on an image is called a class.

    Attributes:
        rule: `probability`, or the number that the threshold reaches on another set.
        level: the probability, or that number, in (0, 1].
        chosen_on: the set that the threshold is chosen on; empty for a probability.
    """

    rule: Rule
    level: float
    chosen_on: str = ""


@dataclass(frozen=True, slots=True)
class ClassRequest:
    """A number of one class against the rest, or of a few classes taken together.

    Attributes:
        target: the key in the threshold file, such as `melanoma`, `benign|nevus`, `each` or `macro`.
        classes: the classes' numbers, which count as one class; empty for `each` and `macro`.
        metric: the number.
        set: the set of images that it is measured on.
        at: the operating point; None for the most probable class.
        prevalence: the share of the class that precision and npv are restated for; None for that of the set.
        mistaken_for: the key of the classes that a confusion counts.
        others: the numbers of these.
    """

    target: str
    classes: tuple[int, ...]
    metric: ClassMetric
    set: str = CLEAN_SET
    at: OperatingPoint | None = None
    prevalence: float | None = None
    mistaken_for: str = ""
    others: tuple[int, ...] = ()

    @property
    def dimension(self) -> str:
        """The dimension that measures it."""
        return "classes"

    @property
    def name(self) -> str:
        """Name of the part: `melanoma.recall`, or `melanoma.recall@probability=0.3,set=fog`."""
        if self.mistaken_for:
            return f"{NOT_AS}.{self.target}.{self.mistaken_for}"
        return f"{self.target}.{self.metric}{self.conditions}"

    @property
    def conditions(self) -> str:
        """All that differs from the default, such as `@probability=0.3`; else empty."""
        stated: dict[str, str] = {}
        if self.at is not None:
            stated[self.at.rule] = f"{self.at.level:.15g}"
            if self.at.chosen_on:
                stated["from"] = self.at.chosen_on
        if self.prevalence is not None:
            stated["prevalence"] = f"{self.prevalence:.15g}"
        if self.set != CLEAN_SET:
            stated["set"] = self.set
        return "@" + ",".join(f"{key}={value}" for key, value in stated.items()) if stated else ""

    @property
    def needs_probabilities(self) -> bool:
        """True if the most probable class of each image is not enough."""
        return self.metric == "auroc" or self.at is not None


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


ParityMetric = Literal["agreement", "negative_flips", "probability_change"]
"""A number for the equality of two models' answers to the same images."""
PARITY_METRICS: tuple[ParityMetric, ...] = get_args(ParityMetric)


@dataclass(frozen=True, slots=True)
class ParityRequest:
    """A number of the answers of the judged model next to those of a reference.

    Attributes:
        metric: the share of equal answers, the share of images that only the reference classifies correctly,
            or a high quantile of the largest change of a probability.
        set: the set of images.
    """

    metric: ParityMetric
    set: str = CLEAN_SET

    @property
    def dimension(self) -> str:
        """The dimension that measures it."""
        return "parity"

    @property
    def name(self) -> str:
        """Name of the part: `agreement`, or `agreement@set=fog`."""
        return self.metric if self.set == CLEAN_SET else f"{self.metric}@set={self.set}"


ServingMetric = ParityMetric | Literal["accuracy", "accuracy_drop"]
SERVING_METRICS: tuple[ServingMetric, ...] = (*PARITY_METRICS, "accuracy")
"""Keys of a pipeline's demands; that of the drop is `max_drop` of `accuracy`."""


@dataclass(frozen=True, slots=True)
class ServingRequest:
    """A number of the model behind a serving pipeline, on the clean set.

    Attributes:
        pipeline: name of the pipeline.
        metric: a number of its answers next to those of the model's own preprocessing, its accuracy, or the
            accuracy that it loses.
    """

    pipeline: str
    metric: ServingMetric

    @property
    def dimension(self) -> str:
        """The dimension that measures it."""
        return "serving"

    @property
    def name(self) -> str:
        """Name of the part: `app.agreement`."""
        return f"{self.pipeline}.{self.metric}"


Request = ClassRequest | AnswerRequest | ParityRequest | ServingRequest
"""What a threshold file can ask for."""
