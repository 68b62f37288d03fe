"""The section `answers` of a threshold file, as requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from quba_check.core.facts import SuiteFacts
from quba_check.core.requests import ANSWER_METRICS, AnswerMetric, AnswerRequest, AnswerScore
from quba_check.demands.class_requests import Where
from quba_check.errors import ThresholdError
from quba_check.messages import listed
from quba_check.strict_yaml import Location

_SCORES: Mapping[str, AnswerScore] = {
    "probability": "max_probability",
    "margin": "margin",
    "max_logit": "max_logit",
    "energy": "energy",
}
_RULES = (*_SCORES, "error")
_WITH_ERROR = ("confidence", "score")


def answer_requests(
    entries: Mapping[str, Any], _suite: SuiteFacts, where: Where
) -> Iterator[tuple[Location, Mapping[str, Any], AnswerRequest]]:
    """Yield the requests, each with the location of its bounds, and these.

    Args:
        entries: the content of the section, well-formed by the schema.
        where: place of a location in the file, for messages.

    Raises:
        ThresholdError: the rule of answering is missing or ambiguous, or nothing is demanded.
    """
    metrics = [metric for metric in ANSWER_METRICS if entries.get(metric) is not None]
    if not metrics:
        if not any(value is not None for value in entries.values()):
            return
        raise ThresholdError(
            f"{where(('answers',))}: answers: nothing is demanded, got {listed(entries)}. "
            f"Allowed: {listed(ANSWER_METRICS)}, each with min or max, max_drop or max_relative_drop."
        )
    rule = {key: value for key, value in (entries.get("at") or {}).items() if value is not None}
    if metrics == ["aurc"] and not rule:
        rule = {"probability": 0.0}
    _check_rule(rule, where)
    for metric in metrics:
        yield ("answers", metric), entries[metric], _request(metric, rule)


def _check_rule(rule: Mapping[str, Any], where: Where) -> None:
    """Refuse a rule without exactly one threshold or error."""
    stated = [key for key in _RULES if key in rule]
    if len(stated) != 1:
        place = where(("answers", "at") if rule else ("answers",))
        raise ThresholdError(
            f"{place}: answers.at: one rule is needed, got {' and '.join(stated) or 'none'}. "
            f"Allowed: one of {listed(_RULES)}."
        )
    if "error" not in rule and (wrong := next((key for key in _WITH_ERROR if key in rule), None)):
        raise ThresholdError(
            f"{where(('answers', 'at', wrong))}: answers.at.{wrong}: it applies to 'error' only, "
            f"got {stated[0]}. Allowed: {stated[0]} alone, or error, confidence and score."
        )


def _request(metric: AnswerMetric, rule: Mapping[str, Any]) -> AnswerRequest:
    key = next(key for key in _RULES if key in rule)
    score = _SCORES.get(key, rule.get("score", "max_probability"))
    if metric == "aurc":
        return AnswerRequest(metric, score)
    if key == "error":
        return AnswerRequest(metric, score, None, rule["error"], rule.get("confidence", 0.95))
    return AnswerRequest(metric, score, float(rule[key]))
