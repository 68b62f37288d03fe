"""Requests: the numbers that threshold files ask for, and their rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, get_args

from quba_check.core.view import CLEAN_SET, SERVING

Better = Literal["high", "low"]
ClassRule = Literal["probability", "specificity", "recall", "precision"]
AnswerRule = Literal["probability", "max_logit", "energy", "error", "accuracy", "share"]
Rule = ClassRule | AnswerRule
AnswerScore = Literal["max_probability", "margin", "max_logit", "energy"]
"""A number for the confidence of an answer; `margin` is the largest probability minus the second largest."""
ANSWER_SCORES: tuple[AnswerScore, ...] = get_args(AnswerScore)
MOST_PROBABLE: AnswerScore = "max_probability"
QuantityKind = Literal["value", "worst", "gap"]
"""Of a column of slices: the value of one slice, of the worst one, or the largest gap to all other images."""
GIVE_REFERENCE = "--quba-reference MODEL"
NO_REFERENCE = f"parity needs another model. Give it by {GIVE_REFERENCE}, or --quba-baseline RECORD"
EACH = "each"
MACRO = "macro"
NOT_AS = "not_as"
"""Targets that are no class: the worst class, the mean of all classes, and confusions."""
_OF_ALL_CLASSES = ("auroc", "probability_change")
"""Numbers of the probabilities of all classes, next to calibration errors and top-k accuracies."""
_SEPARATORS = re.compile(r"[:@\\]")
"""Characters that have a meaning in names of slices, next to those that no value of a column may have."""


def target_name(dimension: str, part: str | None) -> str:
    """Return the name of a dimension, a part, or a value under conditions.

    >>> target_name("accuracy", None), target_name("accuracy", "top5"), target_name("accuracy", "@set=fog")
    ('accuracy', 'accuracy.top5', 'accuracy@set=fog')
    """
    return f"{dimension}{'' if (part or '@').startswith('@') else '.'}{part or ''}"


def name_on_slices(number: str, slices: str, kind: QuantityKind = "value") -> str:
    """Return the name of a number on a slice, or on all of a column.

    >>> name_on_slices("", "lighting", "worst"), name_on_slices("ece@set=fog", "lighting=night")
    ('@slice=lighting:worst', 'ece@set=fog,slice=lighting=night')
    """
    text = _SEPARATORS.sub(r"\\\g<0>", slices) + ("" if kind == "value" else f":{kind}")
    return f"{number}{',' if '@' in number else '@'}slice={text}"


def titled_name(title: str, name: str) -> str:
    """Return the name of a demand for people: its title, if any, then its name.

    >>> titled_name("TB found on dark skin", "accuracy[min]"), titled_name("", "accuracy[min]")
    ('TB found on dark skin (accuracy[min])', 'accuracy[min]')
    """
    return f"{title} ({name})" if title else name


@dataclass(frozen=True, slots=True)
class Part:
    """A named number of a dimension.

    Attributes:
        name: as in `corruption_robustness.NAME`; empty for the value of the dimension itself.
        unit: its unit.
        better: the better direction; None for a part that is only reported and has no thresholds.
        title: a description in a few words.
        set: the set of images that it is named after; empty for other parts.
    """

    name: str
    unit: str
    better: Better | None
    title: str
    set: str = ""


def _by_name(*parts: Part) -> dict[str, Part]:
    return {part.name: part for part in parts}


CLASS_NUMBERS = _by_name(
    Part("recall", "fraction", "high", "share of its images that are called so"),
    Part("specificity", "fraction", "high", "share of other images that are not called so"),
    Part("precision", "fraction", "high", "share of the images called so that are of it"),
    Part("npv", "fraction", "high", "share of the images not called so that are not of it"),
    Part("f1", "fraction", "high", "harmonic mean of recall and precision"),
    Part("auroc", "fraction", "high", "area under the ROC curve of its probability"),
    Part("confusion", "fraction", "low", "share of its images that are called"),
)
"""Numbers of one class against the rest; `confusion` is the share of its images called another class."""
ANSWER_NUMBERS = _by_name(
    Part("share", "fraction", "high", "share of images that are answered"),
    Part("accuracy", "fraction", "high", "accuracy of the answered images"),
    Part("aurc", "fraction", "low", "area under the risk-coverage curve"),
)
"""Numbers of a model that answers only if it is sure enough."""
PARITY_NUMBERS = _by_name(
    Part("agreement", "fraction", "high", "share of equal answers"),
    Part("negative_flips", "fraction", "low", "share of images that only the reference classifies correctly"),
    Part("probability_change", "fraction", "low", "99.9th percentile of the largest change of a probability"),
)
"""Numbers of the answers of the judged model next to those of another one to the same images."""
NUMBERS: Mapping[str, Mapping[str, Part]] = {
    "classes": CLASS_NUMBERS,
    "answers": ANSWER_NUMBERS,
    "parity": PARITY_NUMBERS,
}
"""Numbers that exist only if a threshold file asks for them, by section, which is the dimension with them."""


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """The score from which on an image is called a class, or answered.

    Attributes:
        rule: the score itself, or the number that its threshold has to reach.
        level: the score, or that number.
        chosen_on: the set that the threshold is chosen on; empty for the judged one or none.
        confidence: probability that the answers to new images keep the `error`; None for other rules.
        by_class: probability from which on an image of each predicted class is answered, by the class's name
            in the suite's order; empty for one level.
    """

    rule: Rule
    level: float
    chosen_on: str = ""
    confidence: float | None = None
    by_class: tuple[tuple[str, float], ...] = ()

    @property
    def is_searched(self) -> bool:
        """True if its threshold depends on the answers to some images."""
        return bool(self.chosen_on) or self.rule == "error"


@dataclass(frozen=True, slots=True)
class Request:
    """A number of some rows, as a threshold file asks for it.

    Attributes:
        dimension: the dimension that measures it.
        number: the number, such as `recall`, a part, or the value of the dimension itself.
        target: the key of classes, such as `melanoma`, `benign|nevus`, `each` or `macro`; else empty.
        classes: the numbers of these, which count as one class; empty for `each` and `macro`.
        mistaken_for: the key of the classes that a confusion counts.
        others: the numbers of these.
        set: the set of images.
        at: when an image is called the class, or answered; None for the most probable class.
        score: the confidence of an answer.
        prevalence: the share of the class that precision and npv are restated for; None for that of the set.
        epsilon: the size of the attacks; None for 8/255, or without attacks.
        pipeline: the serving pipeline in front of the model; empty for its own preprocessing.
        slice: a slice, such as `lighting=night`, or a column of slices; empty for all images.
        kind: the number of one slice, the worst one, or the largest gap.
    """

    dimension: str
    number: Part
    target: str = ""
    classes: tuple[int, ...] = ()
    mistaken_for: str = ""
    others: tuple[int, ...] = ()
    set: str = CLEAN_SET
    at: OperatingPoint | None = None
    score: AnswerScore = MOST_PROBABLE
    prevalence: float | None = None
    epsilon: Fraction | None = None
    pipeline: str = ""
    slice: str = ""
    kind: QuantityKind = "value"

    @property
    def part(self) -> str | None:
        """Name of its part, such as `melanoma.recall@probability=0.3,set=fog`; None for the dimension."""
        names = (NOT_AS, self.target, self.mistaken_for) if self.mistaken_for else (self.target, self.metric)
        part = ".".join(filter(None, names)) + self.conditions
        return (name_on_slices(part, self.slice, self.kind) if self.slice else part) or None

    @property
    def conditions(self) -> str:
        """All that differs from the default, without slices, such as `@probability=0.3`; else empty."""
        stated: dict[str, object] = {}
        if self.at is not None:
            level = "per_class" if self.at.by_class else f"{self.at.level:.15g}"
            stated = {self.at.rule: level, "confidence": self.at.confidence}
            stated["from"] = self.at.chosen_on or None
        if self.score != MOST_PROBABLE and self.score not in stated:
            stated["score"] = self.score
        stated |= {"prevalence": self.prevalence, "epsilon": self.epsilon}
        stated["set"] = None if self.set == CLEAN_SET else self.set
        stated["pipeline"] = self.pipeline or None
        texts = [
            f"{key}={value:.15g}" if isinstance(value, float) else f"{key}={value}"
            for key, value in stated.items()
            if value is not None
        ]
        return f"@{','.join(texts)}" if texts else ""

    @property
    def on_all_images(self) -> Request:
        """The same number of all images, behind a number of slices."""
        return replace(self, slice="", kind="value")

    @property
    def on_own_preprocessing(self) -> Request:
        """The same number without a pipeline, which drops behind one are counted from."""
        return replace(self, pipeline="")

    @property
    def better(self) -> Better:
        """The better direction; smaller gaps are better."""
        return "low" if self.kind == "gap" else self.number.better or "high"

    @property
    def name(self) -> str:
        """Name of its part; empty for the dimension."""
        return self.part or ""

    @property
    def metric(self) -> str:
        """Name of the number, without target and conditions."""
        return self.number.name

    @property
    def judged_set(self) -> str:
        """The set of images behind the number: that of its part, if it has one."""
        return self.number.set or self.set

    @property
    def as_part(self) -> Part:
        """The number as a part of its dimension."""
        title = (
            f"{self.target}: {self.number.title} {self.mistaken_for}" if self.target else self.number.title
        )
        return replace(self.number, name=self.name, title=title.strip(), better=self.better)

    @property
    def is_further_part(self) -> bool:
        """True if a run measures its number of all images only on demand."""
        return self.dimension in NUMBERS or bool(self.conditions)

    @property
    def chosen_on(self) -> str:
        """The set that the threshold is chosen on; empty if none is."""
        return "" if self.at is None else self.at.chosen_on

    @property
    def levels(self) -> dict[str, float]:
        """The probability from which on each predicted class is answered; empty for one level."""
        return {} if self.at is None else dict(self.at.by_class)

    @property
    def sets(self) -> tuple[str, ...]:
        """The judged set, and the one that the threshold is chosen on."""
        return (self.set, self.chosen_on) if self.chosen_on else (self.set,)

    @property
    def variant(self) -> str:
        """The variant of the views that it judges, see `View`."""
        return f"{SERVING}{self.pipeline}" if self.pipeline else ""

    @property
    def needs_probabilities(self) -> bool:
        """True if the most probable class of each image is not enough."""
        reads_all_classes = self.dimension == "calibration_error" or self.metric in _OF_ALL_CLASSES
        is_of_answer = self.at is not None or self.score == "margin"
        return reads_all_classes or is_of_answer or self.metric.startswith("top")

    @property
    def needs_logits(self) -> bool:
        """True if the score is computed from logits."""
        return self.score in ("max_logit", "energy")
