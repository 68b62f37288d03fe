"""The sections `answers`, `parity` and `serving` of a threshold file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from quba_check.core.facts import SuiteFacts
from quba_check.core.request import (
    ANSWER_NUMBERS,
    ANSWER_SCORES,
    PARITY_NUMBERS,
    SERVING_NUMBERS,
    AnswerScore,
    OperatingPoint,
    Request,
    Rule,
)
from quba_check.core.view import CLEAN_SET
from quba_check.demands.bounds import Asked
from quba_check.demands.document import MergedFile
from quba_check.demands.schema import AnswersEntry, ParityEntry, ServingDemands
from quba_check.demands.sections.classes import check_set
from quba_check.messages import allowed_names, listed
from quba_check.strict_yaml import Location

_SCORES: dict[Rule, AnswerScore] = {
    "probability": "max_probability",
    "margin": "margin",
    "max_logit": "max_logit",
    "energy": "energy",
}
"""Score of each rule that states a threshold."""
_RULES: tuple[Rule, ...] = (*_SCORES, "error")


def answer_requests(
    location: Location, entry: AnswersEntry, file: MergedFile, _suite: SuiteFacts
) -> Iterator[Asked]:
    """Yield what the section `answers` asks for.

    Raises:
        ThresholdError: the rule of answering is missing or ambiguous, or nothing is demanded.
    """
    stated, rule = file.keys(location), file.keys((*location, "at"))
    names = [name for name in ANSWER_NUMBERS if name in stated]
    if stated and not names:
        allowed = f"{listed(ANSWER_NUMBERS)}, each with min or max, max_drop or max_relative_drop"
        raise file.error(location, "nothing is demanded", got=listed(stated), allowed=allowed)
    keys = [key for key in _RULES if key in rule]
    if len(keys) != 1 and (rule or {*names} - {"aurc"}):
        place = (*location, "at") if rule else location
        got, allowed = " and ".join(keys) or "none", f"one of {listed(_RULES)}"
        raise file.error(place, "one rule is needed", shown="answers.at", got=got, allowed=allowed)
    key = keys[0] if keys else "probability"
    if key != "error" and (wrong := next((one for one in ("confidence", "score") if one in rule), None)):
        place, allowed = (*location, "at", wrong), f"{key} alone, or error, confidence and score"
        raise file.error(place, "it applies to 'error' only", got=key, allowed=allowed)
    at, score = None, ANSWER_SCORES[0]
    if entry.at is not None and keys:
        confidence = (entry.at.confidence or 0.95) if key == "error" else None
        at = OperatingPoint(key, getattr(entry.at, key), confidence=confidence)
        score = _SCORES.get(key, entry.at.score or score)
    for name in names:
        request = Request("answers", ANSWER_NUMBERS[name], at=None if name == "aurc" else at, score=score)
        yield Asked((*location, name), getattr(entry, name), request)


def parity_requests(
    location: Location, entry: ParityEntry, file: MergedFile, suite: SuiteFacts
) -> Iterator[Asked]:
    """Yield what the section `parity` asks for.

    Raises:
        ThresholdError: nothing is demanded, or the suite has no such set.
    """
    stated = file.keys(location)
    names = [name for name in PARITY_NUMBERS if name in stated]
    sets = (CLEAN_SET,) if entry.sets is None else tuple(dict.fromkeys(entry.sets))
    if stated and not (names and sets):
        got = listed(stated) if sets else "no sets"
        allowed = f"{listed(PARITY_NUMBERS)}, each with min or max, and sets"
        raise file.error(location, "nothing is demanded", got=got, allowed=allowed)
    for set_name in sets:
        check_set((*location, "sets"), set_name, file, suite)
        for name in names:
            yield Asked(
                (*location, name), getattr(entry, name), Request("parity", PARITY_NUMBERS[name], set=set_name)
            )


def serving_requests(
    location: Location, entry: ServingDemands, file: MergedFile, suite: SuiteFacts
) -> Iterator[Asked]:
    """Yield what an entry of the section `serving` asks for.

    Raises:
        ThresholdError: nothing is demanded, or the suite has no such pipeline.
    """
    pipeline, stated = str(location[-1]), file.keys(location)
    if suite.slices is not None and pipeline not in suite.serving:  # without slices the suite is unknown
        problem = f"the suite '{suite.name}' has no pipeline '{pipeline}'"
        hint = allowed_names(pipeline, suite.serving) if suite.serving else "Declare it in its manifest."
        raise file.error(location, problem, shown="serving", hint=hint)
    names = [name for name in SERVING_NUMBERS if name in stated]
    if not names:
        got = f"nothing is demanded, got {listed(stated) or 'no keys'}"
        allowed = [name for name in SERVING_NUMBERS if name != "accuracy_drop"]
        raise file.error(location, got, allowed=f"{listed(allowed)}, each with min, max or max_drop")
    for name in names:
        place = (*location, name)
        bounds = getattr(entry, name)
        asked = Asked(place, bounds, Request("serving", SERVING_NUMBERS[name], pipeline=pipeline))
        has_drop = name == "accuracy" and "max_drop" in file.keys(place)
        if not has_drop or "min" in file.keys(place):
            yield replace(asked, keys={"min": "min"}) if has_drop else asked
        if has_drop:
            drop = Request("serving", SERVING_NUMBERS["accuracy_drop"], pipeline=pipeline)
            yield Asked(place, bounds, drop, keys={"max_drop": "max"})
