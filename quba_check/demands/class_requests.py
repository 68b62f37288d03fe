"""The section `classes` of a threshold file, as requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

from quba_check.core.facts import SuiteFacts, short_class_names, table_class_names
from quba_check.core.requests import (
    BY_PROBABILITY,
    EACH,
    MACRO,
    NOT_AS,
    ClassMetric,
    ClassRequest,
    OperatingPoint,
    Rule,
)
from quba_check.core.view import CLEAN_SET, CORRUPTIONS_SET
from quba_check.errors import ThresholdError
from quba_check.messages import did_you_mean, listed
from quba_check.strict_yaml import Location, dotted_path

Where = Callable[[Location], str]
"""Returns the file and line of a key, for the start of a message."""
Requests = Iterator[tuple[Location, Mapping[str, Any], ClassRequest]]
_METRICS: tuple[ClassMetric, ...] = get_args(ClassMetric)
_OF: Mapping[str, tuple[ClassMetric, ...]] = {
    EACH: ("recall", "specificity", "precision", "f1"),
    MACRO: ("recall", "precision", "f1"),
}
"""Numbers of the targets that are no class."""
_OF_A_CLASS = tuple(metric for metric in _METRICS if metric != "confusion")
_TOGETHER = "|"
_SHOWN = 10
"""Largest number of names that a message lists."""


def class_requests(entries: Mapping[str, Any], suite: SuiteFacts, where: Where) -> Requests:
    """Yield the requests, each with the location of its bounds, and these.

    Args:
        entries: the content of the section, well-formed by the schema.
        suite: the names of the classes and sets.
        where: place of a location in the file, for messages.

    Raises:
        ThresholdError: a class or set that the suite does not have, an entry without a number, a setting
            without effect, or a threshold chosen on the judged images.
    """
    for name, entry in entries.items():
        location: Location = ("classes", name)
        if entry is None:
            continue
        if name in (EACH, MACRO, NOT_AS) and name in _numbers(suite):
            raise ThresholdError(
                f"{where(location)}: classes: '{name}' is a key of this section and a class of the suite "
                f"'{suite.name}'. Allowed: '{name}|' for the class. To use the key, rename the class."
            )
        if name == NOT_AS:
            for target, others in entry.items():
                yield from _confusions((*location, target), others or {}, suite, where)
        else:
            yield from _requests_of_entry(location, entry, suite, where)


def _confusions(
    location: Location, entries: Mapping[str, Mapping[str, Any] | None], suite: SuiteFacts, where: Where
) -> Requests:
    target = str(location[-1])
    classes = _class_numbers(location, suite, where)
    for name, entry in entries.items():
        others = _class_numbers((*location, name), suite, where)
        if {*classes} & {*others}:
            problem = f"a class cannot be mistaken for itself, got '{name}'. Allowed: other classes"
            raise _error((*location, name), where, problem)
        if entry is not None:
            request = ClassRequest(target, classes, "confusion", mistaken_for=name, others=others)
            yield (*location, name), entry, request


def _requests_of_entry(
    location: Location, entry: Mapping[str, Any], suite: SuiteFacts, where: Where
) -> Requests:
    name = str(location[-1])
    allowed = _OF.get(name, _OF_A_CLASS)
    classes = () if name in _OF else _class_numbers(location, suite, where)
    metrics = [metric for metric in allowed if entry.get(metric) is not None]
    if not metrics:
        problem = f"nothing is demanded, got {listed(entry) or 'nothing'}"
        drops = "max_drop or max_relative_drop"
        raise _error(location, where, f"{problem}. Allowed: {listed(allowed)}, each with min, {drops}")
    set_name = entry.get("set") or CLEAN_SET
    check_set((*location, "set"), set_name, suite, where)
    at = _operating_point((*location, "at"), entry.get("at") or {}, set_name, suite, where)
    restated = ("precision", "npv")
    for key, targets in (("at", tuple(one for one in allowed if one != "auroc")), ("prevalence", restated)):
        if entry.get(key) is not None and not {*targets} & {*metrics}:
            problem = f"it applies to no demand. Allowed: together with {' or '.join(targets)}"
            raise _error((*location, key), where, problem)
    for metric in metrics:
        request = ClassRequest(
            name,
            classes,
            metric,
            set_name,
            None if metric == "auroc" else at,
            entry.get("prevalence") if metric in restated else None,
        )
        yield (*location, metric), entry[metric], request


def _operating_point(
    location: Location, entry: Mapping[str, Any], judged: str, suite: SuiteFacts, where: Where
) -> OperatingPoint | None:
    """Return the operating point of an entry; None without one.

    Raises:
        ThresholdError: it has not exactly one rule, or chooses the threshold on the judged images.
    """
    stated = {key: value for key, value in entry.items() if value is not None}
    if not stated:
        return None
    rules = [rule for rule in get_args(Rule) if rule in stated]
    if len(rules) != 1 or ("from" in stated) != (rules != [BY_PROBABILITY]):
        problem = f"got {listed(stated)}. Allowed: probability, or specificity or recall with from"
        raise _error(location, where, problem)
    point = OperatingPoint(rules[0], stated[rules[0]], stated.get("from", ""))
    if not point.chosen_on:
        return point
    location = (*location, "from")
    check_set(location, point.chosen_on, suite, where)
    if _images(judged, suite) == _images(point.chosen_on, suite):
        others = [name for name in _sets(suite) if _images(name, suite) != _images(judged, suite)]
        raise _error(
            location,
            where,
            f"the threshold would be chosen on the images that it is judged on, got {point.chosen_on} for "
            f"the set {judged}. Allowed: {listed(others, _SHOWN) or 'another set, and the suite has none'}",
        )
    return point


def _sets(suite: SuiteFacts) -> list[str]:
    """Return the names of the sets that classes can be judged on."""
    are_shown = CORRUPTIONS_SET in suite.spaces and not suite.samples_corruptions
    corruptions = (*suite.corruptions, *suite.extra_corruptions) if are_shown else ()
    shifts = (name for name in suite.shifts if suite.spaces.get(name) is None)
    return [CLEAN_SET, *shifts, *corruptions]


def _images(set_name: str, suite: SuiteFacts) -> str:
    """Return the set whose images a set shows: corruptions are of clean images."""
    of_clean = (CLEAN_SET, *suite.corruptions, *suite.extra_corruptions)
    return CLEAN_SET if set_name in of_clean else set_name


def check_set(location: Location, name: str, suite: SuiteFacts, where: Where) -> None:
    """Raise a ThresholdError unless a suite has a set whose labels are the model's classes."""
    sets = _sets(suite)
    if suite.slices is None or name in sets:  # without slices the sets are unknown
        return
    problem = f"the suite '{suite.name}' has no such labelled set"
    if suite.spaces.get(name) is not None:
        problem = "its labels are not the model's classes"
    elif suite.samples_corruptions and name in (*suite.corruptions, *suite.extra_corruptions):
        problem = "each image is shown under one of all corruptions"
    allowed = f"Allowed: {listed(sets, 2 * _SHOWN)}.{did_you_mean(name, sets)}"
    raise ThresholdError(f"{where(location)}: {dotted_path(location)}: {problem}, got '{name}'. {allowed}")


def _numbers(suite: SuiteFacts) -> dict[str, int]:
    """Return the number of each class by its names: full, short, and as in tables."""
    shown = table_class_names(suite.class_names, suite.class_count)
    names = (shown, short_class_names(suite.class_names), suite.class_names)
    return {name: number for some in names for number, name in enumerate(some)}


def _class_numbers(location: Location, suite: SuiteFacts, where: Where) -> tuple[int, ...]:
    """Return the numbers of classes joined by `|`, empty for unknown class names.

    Raises:
        ThresholdError: the suite has no such class, or one is named twice.
    """
    if suite.slices is None and not suite.class_names:
        return ()
    name, place = str(location[-1]), f"{where(location)}: {dotted_path(location[:-1])}"
    numbers, shown = _numbers(suite), table_class_names(suite.class_names, suite.class_count)
    parts = [name] if name in numbers else [part.strip() for part in name.split(_TOGETHER)]
    parts = parts[:-1] if parts[1:] == [""] else parts  # `macro|` is the class, not the key
    if suite.slices is None:  # records have short names only
        parts = [part if part in numbers else short_class_names([part])[0] for part in parts]
    for part in parts:
        if part not in numbers:
            raise ThresholdError(
                f"{place}: the suite '{suite.name}' has no class '{part}'.{did_you_mean(part, shown)} "
                f"Allowed: {listed(shown, at_most=_SHOWN)}."
            )
    classes = tuple(numbers[part] for part in parts)
    if len(set(classes)) < len(classes):
        raise ThresholdError(f"{place}: '{name}' names a class twice. Allowed: each class once.")
    if len(set(classes)) == suite.class_count:
        raise ThresholdError(f"{place}: '{name}' is every class. Allowed: all classes but one at most.")
    return classes


def _error(location: Location, where: Where, problem: str) -> ThresholdError:
    return ThresholdError(f"{where(location)}: {dotted_path(location)}: {problem}.")
