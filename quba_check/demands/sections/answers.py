"""The sections `answers` and `parity` of a threshold file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from quba_check.core.facts import table_class_names
from quba_check.core.request import (
    ANSWER_NUMBERS,
    ANSWER_SCORES,
    PARITY_NUMBERS,
    AnswerRule,
    AnswerScore,
    OperatingPoint,
    Part,
    Request,
)
from quba_check.core.view import CLEAN_SET
from quba_check.demands.bounds import Asked
from quba_check.demands.document import MergedFile
from quba_check.demands.schema import AnswersEntry, ParityEntry
from quba_check.demands.sections.conditions import check_chosen_on, numbers_asked, on_sets
from quba_check.messages import did_you_mean, listed
from quba_check.strict_yaml import Location

_SCORES: Mapping[AnswerRule, AnswerScore] = {
    "probability": "max_probability",
    "max_logit": "max_logit",
    "energy": "energy",
}
"""Score of each rule that states a threshold."""
_CHOSEN: tuple[AnswerRule, ...] = ("error", "accuracy", "share")
"""Rules that choose the threshold of a score by the answers to a set."""
_RULES: tuple[AnswerRule, ...] = (*_SCORES, *_CHOSEN)


def answer_requests(location: Location, entry: AnswersEntry, file: MergedFile) -> Iterator[Asked]:
    """Yield what an entry of the section `answers` asks for.

    Raises:
        ThresholdError: the rule of answering is missing or ambiguous, or nothing is demanded.
    """
    names = _numbers(location, ANSWER_NUMBERS, file)
    at, score = _rule(location, entry, names, file)
    for name in names:
        request = Request("answers", ANSWER_NUMBERS[name], at=None if name == "aurc" else at, score=score)
        for request_on_set in on_sets(location, entry, request, file):
            check_chosen_on((*location, "at", "from"), request_on_set, file)
            is_unknown = file.suite.root_of(request_on_set.set) in file.suite.unknown
            # A record does not list all unknown sets.
            if file.suite.slices is None and request_on_set.set != CLEAN_SET:
                is_unknown = "max" in file.keys((*location, name))
            if is_unknown and name == "share":
                if at is not None and at.is_searched and not at.chosen_on:
                    raise file.error(
                        (*location, "at", at.rule),
                        "images of no class have no right answers",
                        allowed="from, with a labelled set",
                    )
                request_on_set = replace(request_on_set, number=replace(request_on_set.number, better="low"))
            yield from numbers_asked((*location, name), getattr(entry, name), (request_on_set,), file)


def _rule(
    location: Location, entry: AnswersEntry, names: list[str], file: MergedFile
) -> tuple[OperatingPoint | None, AnswerScore]:
    """Return the rule of answering of an entry, None without one, and its score.

    Raises:
        ThresholdError: the rule is missing or ambiguous, or a key does not go with it.
    """
    rule = file.keys((*location, "at"))
    place = (*location, "at")
    keys = [key for key in _RULES if key in rule]
    if len(keys) != 1 and (rule or {*names} - {"aurc"}):
        got = " and ".join(keys) or "none"
        where = place if rule else location
        raise file.error(
            where, "one rule is needed", path="answers.at", got=got, allowed=f"one of {listed(_RULES)}"
        )
    if entry.at is None or not keys:
        return None, ANSWER_SCORES[0]
    (key,) = keys
    wrong = next((option for option in ("confidence", "score", "from") if option in rule), None)
    if key in _SCORES and wrong:
        raise file.error(
            (*place, wrong),
            f"it does not go with '{key}'",
            allowed=f"{key} alone, or {listed(_CHOSEN)} with score and from",
        )
    if "confidence" in rule and key != "error":
        raise file.error(
            (*place, "confidence"), "it applies to 'error' only", got=key, allowed="no confidence"
        )
    if key in ("accuracy", "share") and "from" not in rule:
        raise file.error((*place, key), "a set to choose on is needed", allowed="from, with another set")
    confidence = (entry.at.confidence or 0.95) if key == "error" else None
    score = _SCORES.get(key, entry.at.score or ANSWER_SCORES[0])
    level = getattr(entry.at, key)
    if not isinstance(level, Mapping):
        return OperatingPoint(key, level, entry.at.chosen_on or "", confidence), score
    by_class = _by_class((*place, key), level, file)
    return OperatingPoint(key, min(class_level for _, class_level in by_class), by_class=by_class), score


def _by_class(
    location: Location, levels: Mapping[str, float], file: MergedFile
) -> tuple[tuple[str, float], ...]:
    """Return the threshold of each class, in the suite's order.

    Raises:
        ThresholdError: a class is unknown, or has no threshold.
    """
    suite = file.suite
    if suite.slices is None and not suite.class_names and levels:
        return tuple(levels.items())  # for a record without the names of its classes
    names = table_class_names(suite.class_names, suite.class_count)
    unknown = next((name for name in levels if name not in (*names, "default")), None)
    if unknown:
        raise file.error(
            (*location, unknown),
            f"the suite '{suite.name}' has no class '{unknown}'",
            allowed=f"{listed(names, 10)}, or default",
            hint=did_you_mean(unknown, names),
        )
    missing = [name for name in names if name not in levels and "default" not in levels]
    if missing:
        raise file.error(
            location, f"no threshold for {listed(missing, 10)}", allowed="every class, or default"
        )
    return tuple((name, levels.get(name, levels.get("default", 0.0))) for name in names)


def parity_requests(location: Location, entry: ParityEntry, file: MergedFile) -> Iterator[Asked]:
    """Yield what an entry of the section `parity` asks for.

    Raises:
        ThresholdError: nothing is demanded, or the suite has no such set or pipeline.
    """
    for name in _numbers(location, PARITY_NUMBERS, file):
        requests = on_sets(location, entry, Request("parity", PARITY_NUMBERS[name]), file)
        yield from numbers_asked((*location, name), getattr(entry, name), requests, file)


def _numbers(location: Location, numbers: Mapping[str, Part], file: MergedFile) -> list[str]:
    """Return the names of the numbers that an entry states.

    Raises:
        ThresholdError: the entry states none.
    """
    stated = file.keys(location)
    names = [name for name in numbers if name in stated]
    if not names:
        raise file.error(
            location,
            "nothing is demanded",
            got=listed(stated),
            allowed=f"{listed(numbers)}, each with min or max, max_drop or max_relative_drop",
        )
    return names
