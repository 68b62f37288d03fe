"""The section `answers` of a threshold file, as requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from quba_check.core.facts import SuiteFacts
from quba_check.core.requests import ANSWER_METRICS, ANSWER_SCORES, AnswerRequest
from quba_check.demands.class_requests import Where
from quba_check.errors import ThresholdError
from quba_check.messages import listed
from quba_check.strict_yaml import Location

_SCORES = dict(zip(("probability", *ANSWER_SCORES[1:]), ANSWER_SCORES, strict=True))
"""Score of each rule that states a threshold."""
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
    if entries and not metrics:
        raise ThresholdError(
            f"{where(('answers',))}: answers: nothing is demanded, got {listed(entries)}. "
            f"Allowed: {listed(ANSWER_METRICS)}, each with min or max, max_drop or max_relative_drop."
        )
    rule = {key: value for key, value in (entries.get("at") or {}).items() if value is not None}
    stated = [key for key in _RULES if key in rule]
    if len(stated) != 1 and (rule or {*metrics} - {"aurc"}):
        place = where(("answers", "at") if rule else ("answers",))
        raise ThresholdError(
            f"{place}: answers.at: one rule is needed, got {' and '.join(stated) or 'none'}. "
            f"Allowed: one of {listed(_RULES)}."
        )
    key = stated[0] if stated else "probability"
    if key != "error" and (wrong := next((other for other in _WITH_ERROR if other in rule), None)):
        raise ThresholdError(
            f"{where(('answers', 'at', wrong))}: answers.at.{wrong}: it applies to 'error' only, "
            f"got {key}. Allowed: {key} alone, or error, confidence and score."
        )
    score = _SCORES.get(key, rule.get("score", ANSWER_SCORES[0]))
    thresholds = (None, rule[key]) if key == "error" else (rule.get(key), None)
    for metric in metrics:
        limits = () if metric == "aurc" else (*thresholds, rule.get("confidence", 0.95))
        yield ("answers", metric), entries[metric], AnswerRequest(metric, score, *limits)
