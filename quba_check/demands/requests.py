"""The sections of a threshold file whose demands are requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from quba_check.core.facts import SuiteFacts
from quba_check.core.requests import (
    ANSWER_METRICS,
    ANSWER_SCORES,
    PARITY_METRICS,
    SERVING_METRICS,
    AnswerRequest,
    ParityRequest,
    Request,
    ServingMetric,
    ServingRequest,
)
from quba_check.core.view import CLEAN_SET
from quba_check.demands.class_requests import Where, check_set, class_requests
from quba_check.errors import ThresholdError
from quba_check.messages import allowed_names, listed
from quba_check.strict_yaml import Location

_Requests = Iterator[tuple[Location, Mapping[str, Any], Request]]
_SCORES = dict(zip(("probability", *ANSWER_SCORES[1:]), ANSWER_SCORES, strict=True))
"""Score of each rule that states a threshold."""
_RULES = (*_SCORES, "error")
_WITH_ERROR = ("confidence", "score")
Bound = TypeVar("Bound")
_ACCURACY: ServingMetric = "accuracy"
_ACCURACY_DROP: ServingMetric = "accuracy_drop"
_DROP = "max_drop"
"""Key of `accuracy` that compares with the model's own preprocessing in the same run."""


def _answer_requests(entries: Mapping[str, Any], _suite: SuiteFacts, where: Where) -> _Requests:
    """Yield the requests of `answers`; see `REQUESTS`.

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


def _parity_requests(entries: Mapping[str, Any], suite: SuiteFacts, where: Where) -> _Requests:
    """Yield the requests of `parity`; see `REQUESTS`.

    Raises:
        ThresholdError: nothing is demanded, or the suite has no such set.
    """
    metrics = [metric for metric in PARITY_METRICS if entries.get(metric) is not None]
    sets = (CLEAN_SET,) if entries.get("sets") is None else tuple(dict.fromkeys(entries["sets"]))
    if entries and not (metrics and sets):
        got = listed(entries) if sets else "no sets"
        raise ThresholdError(
            f"{where(('parity',))}: parity: nothing is demanded, got {got}. "
            f"Allowed: {listed(PARITY_METRICS)}, each with min or max, and sets."
        )
    for set_name in sets:
        check_set(("parity", "sets"), set_name, suite, where)
        for metric in metrics:
            yield ("parity", metric), entries[metric], ParityRequest(metric, set_name)


def _serving_requests(entries: Mapping[str, Any], suite: SuiteFacts, where: Where) -> _Requests:
    """Yield the requests of `serving`; see `REQUESTS`.

    Raises:
        ThresholdError: nothing is demanded, or the suite has no such pipeline.
    """
    for name, entry in entries.items():
        location: Location = ("serving", name)
        if suite.slices is not None and name not in suite.serving:  # without slices the suite is unknown
            choice = allowed_names(name, suite.serving) if suite.serving else "Declare it in its manifest."
            problem = f"the suite '{suite.name}' has no pipeline '{name}'"
            raise ThresholdError(f"{where(location)}: serving: {problem}. {choice}")
        metrics = [metric for metric in SERVING_METRICS if entry.get(metric) is not None]
        if not metrics:
            raise ThresholdError(
                f"{where(location)}: serving.{name}: nothing is demanded, got {listed(entry) or 'no keys'}. "
                f"Allowed: {listed(SERVING_METRICS)}, each with min, max or max_drop."
            )
        for metric in metrics:
            bounds = entry[metric]
            has_drop = metric == _ACCURACY and _DROP in bounds
            wanted = [metric] if not has_drop or "min" in bounds else []
            for one in (*wanted, *([_ACCURACY_DROP] if has_drop else [])):
                request = ServingRequest(name, one)
                yield (*location, metric), bounds_of(request, bounds), request


def bounds_of(request: Request, entry: Mapping[str, Bound]) -> dict[str, Bound]:
    """Return the keys of an entry for a request: `accuracy` holds those of two.

    >>> bounds_of(ServingRequest("app", "accuracy_drop"), {"min": 0.8, "max_drop": 0.01, "tier": "warn"})
    {'max': 0.01, 'tier': 'warn'}
    """
    if not isinstance(request, ServingRequest) or request.metric not in (_ACCURACY, _ACCURACY_DROP):
        return dict(entry)
    is_drop = request.metric == _ACCURACY_DROP
    left_out = "min" if is_drop else _DROP
    return {"max" if key == _DROP else key: value for key, value in entry.items() if key != left_out}


REQUESTS: Mapping[str, Callable[[Mapping[str, Any], SuiteFacts, Where], _Requests]] = {
    "classes": class_requests,
    "answers": _answer_requests,
    "parity": _parity_requests,
    "serving": _serving_requests,
}
"""Readers of the sections, each of which yields requests with the location of their bounds, and these.

They take the content of the section, well-formed by the schema, the names of classes and sets, and the place
of a location in the file, for messages. They raise ThresholdError for a class or set that the suite does not
have, or an entry without a number.
"""
SECTIONS = tuple(REQUESTS)
"""Top-level keys whose demands are requests; each is the name of the dimension that measures them."""
SETTINGS = ("tier", "optional")
