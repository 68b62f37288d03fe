"""Requests in few words."""

from dataclasses import replace
from typing import cast

from quba_check.core.request import (
    ANSWER_NUMBERS,
    CLASS_NUMBERS,
    MOST_PROBABLE,
    PARITY_NUMBERS,
    AnswerScore,
    Better,
    OperatingPoint,
    Part,
    QuantityKind,
    Request,
    Rule,
)

OF_THE_NUMBER = {
    *("dimension", "number", "target", "classes", "mistaken_for", "others"),  # by the place of the entry
    *("slice", "kind"),  # by the key `slices` of the number
    "score",  # by the key `score` of `at`
}
"""Fields of a request that are no key of an entry of threshold files."""
RATES = ("recall", "specificity", "precision", "npv")


def value(dimension: str, part: str = "", *, unit: str = "fraction", better: Better = "high") -> Request:
    return Request(dimension, Part(part, unit, better, ""))


def on_slices(dimension: str, name: str, kind: QuantityKind = "value") -> Request:
    return Request(dimension, Part("", "fraction", "high", ""), slice=name, kind=kind)


def class_request(
    target: str,
    classes: tuple[int, ...],
    metric: str,
    on: str = "clean",
    at: OperatingPoint | None = None,
    prevalence: float | None = None,
) -> Request:
    number = CLASS_NUMBERS[metric]
    return Request("classes", number, target, classes, set=on, at=at, prevalence=prevalence)


def confusion(target: str, classes: tuple[int, ...], mistaken_for: str, others: tuple[int, ...]) -> Request:
    number = CLASS_NUMBERS["confusion"]
    return Request("classes", number, target, classes, mistaken_for=mistaken_for, others=others)


def answer_request(
    metric: str,
    score: AnswerScore = MOST_PROBABLE,
    threshold: float | None = None,
    error: float | None = None,
    confidence: float = 0.95,
) -> Request:
    at = None
    if error is not None:
        at = OperatingPoint("error", error, confidence=confidence)
    elif threshold is not None:
        at = OperatingPoint("probability" if score == MOST_PROBABLE else cast(Rule, score), threshold)
    return Request("answers", ANSWER_NUMBERS[metric], at=at, score=score)


def parity_request(metric: str, on: str = "clean") -> Request:
    return Request("parity", PARITY_NUMBERS[metric], set=on)


def served(pipeline: str, metric: str) -> Request:
    if metric == "accuracy":
        return replace(value("accuracy"), pipeline=pipeline)
    return replace(parity_request(metric), pipeline=pipeline)
