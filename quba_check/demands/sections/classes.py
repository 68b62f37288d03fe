"""The section `classes` of a threshold file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from quba_check.core.facts import SuiteFacts, short_class_names, table_class_names
from quba_check.core.request import CLASS_NUMBERS, EACH, MACRO, NOT_AS, OperatingPoint, Request, Rule
from quba_check.core.view import CLEAN_SET, CORRUPTIONS_SET
from quba_check.demands.bounds import Asked
from quba_check.demands.document import MergedFile
from quba_check.demands.schema import ClassEntry, MacroEntry, NotAs, OperatingPointEntry, PartEntry
from quba_check.messages import did_you_mean, listed
from quba_check.strict_yaml import Location, dotted_path

_RULES: tuple[Rule, ...] = ("probability", "specificity", "recall")
_OF: Mapping[str, tuple[str, ...]] = {
    EACH: ("recall", "specificity", "precision", "f1"),
    MACRO: ("recall", "precision", "f1"),
}
"""Numbers of the targets that are no class."""
_OF_A_CLASS = tuple(name for name in CLASS_NUMBERS if name != "confusion")
_TOGETHER = "|"
_SHOWN = 10
"""Largest number of names that a message lists."""


def class_requests(
    location: Location, entry: ClassEntry | NotAs | None, file: MergedFile, suite: SuiteFacts
) -> Iterator[Asked]:
    """Yield what an entry of the section asks for.

    Raises:
        ThresholdError: a class or set that the suite does not have, an entry without a number, a setting
            without effect, or a threshold chosen on the judged images.
    """
    name = str(location[-1])
    if name in (EACH, MACRO, NOT_AS) and name in _numbers(suite):
        text = f"'{name}' is a key of this section and a class of the suite '{suite.name}'"
        hint = "To use the key, rename the class."
        raise file.error(location, text, shown="classes", allowed=f"'{name}|' for the class", hint=hint)
    if isinstance(entry, dict):
        for target, others in entry.items():
            yield from _confusions((*location, target), others or {}, file, suite)
    elif entry is not None:
        yield from _of_entry(location, entry, file, suite)


def _confusions(
    location: Location, entries: Mapping[str, PartEntry | None], file: MergedFile, suite: SuiteFacts
) -> Iterator[Asked]:
    target = str(location[-1])
    classes = _class_numbers(location, file, suite)
    for name, bounds in entries.items():
        place = (*location, name)
        others = _class_numbers(place, file, suite)
        if {*classes} & {*others}:
            text = f"a class cannot be mistaken for itself, got '{name}'"
            raise file.error(place, text, allowed="other classes")
        if bounds is None:
            continue
        number = CLASS_NUMBERS["confusion"]
        yield Asked(
            place, bounds, Request("classes", number, target, classes, mistaken_for=name, others=others)
        )


def _of_entry(location: Location, entry: MacroEntry, file: MergedFile, suite: SuiteFacts) -> Iterator[Asked]:
    name = str(location[-1])
    allowed = _OF.get(name, _OF_A_CLASS)
    classes = () if name in _OF else _class_numbers(location, file, suite)
    stated = file.keys(location)
    metrics = [metric for metric in allowed if metric in stated]
    if not metrics:
        got = f"nothing is demanded, got {listed(stated) or 'nothing'}"
        drops = "max_drop or max_relative_drop"
        raise file.error(location, got, allowed=f"{listed(allowed)}, each with min, {drops}")
    set_name = entry.set or CLEAN_SET
    check_set((*location, "set"), set_name, file, suite)
    at = _operating_point((*location, "at"), getattr(entry, "at", None), set_name, file, suite)
    restated = ("precision", "npv")
    for key, targets in (("at", tuple(one for one in allowed if one != "auroc")), ("prevalence", restated)):
        if key in stated and not {*targets} & {*metrics}:
            text = f"together with {' or '.join(targets)}"
            raise file.error((*location, key), "it applies to no demand", allowed=text)
    for metric in metrics:
        request = Request("classes", CLASS_NUMBERS[metric], name, classes, set=set_name)
        if metric != "auroc":
            request = replace(request, at=at)
        if metric in restated:
            request = replace(request, prevalence=getattr(entry, "prevalence", None))
        yield Asked((*location, metric), getattr(entry, metric), request)


def _operating_point(
    location: Location, entry: OperatingPointEntry | None, judged: str, file: MergedFile, suite: SuiteFacts
) -> OperatingPoint | None:
    """Return the operating point of an entry; None without one.

    Raises:
        ThresholdError: it has not exactly one rule, or chooses the threshold on the judged images.
    """
    stated = file.keys(location)
    if entry is None or not stated:
        return None
    rules = [rule for rule in _RULES if rule in stated]
    if len(rules) != 1 or ("from" in stated) != (rules != ["probability"]):
        allowed = "probability, or specificity or recall with from"
        raise file.error(location, got=listed(stated), allowed=allowed)
    point = OperatingPoint(rules[0], getattr(entry, rules[0]), entry.chosen_on or "")
    if not point.chosen_on:
        return point
    location = (*location, "from")
    check_set(location, point.chosen_on, file, suite)
    if _images(judged, suite) == _images(point.chosen_on, suite):
        others = [name for name in _sets(suite) if _images(name, suite) != _images(judged, suite)]
        text = "the threshold would be chosen on the images that it is judged on"
        allowed = listed(others, _SHOWN) or "another set, and the suite has none"
        raise file.error(location, text, got=f"{point.chosen_on} for the set {judged}", allowed=allowed)
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


def check_set(location: Location, name: str, file: MergedFile, suite: SuiteFacts) -> None:
    """Raise a ThresholdError unless a suite has a set whose labels are the model's classes."""
    sets = _sets(suite)
    if suite.slices is None or name in sets:  # without slices the sets are unknown
        return
    problem = f"the suite '{suite.name}' has no such labelled set"
    if suite.spaces.get(name) is not None:
        problem = "its labels are not the model's classes"
    elif suite.samples_corruptions and name in (*suite.corruptions, *suite.extra_corruptions):
        problem = "each image is shown under one of all corruptions"
    hint = did_you_mean(name, sets).strip()
    raise file.error(location, problem, got=f"'{name}'", allowed=listed(sets, 2 * _SHOWN), hint=hint)


def _numbers(suite: SuiteFacts) -> dict[str, int]:
    """Return the number of each class by its names: full, short, and as in tables."""
    shown = table_class_names(suite.class_names, suite.class_count)
    names = (shown, short_class_names(suite.class_names), suite.class_names)
    return {name: number for some in names for number, name in enumerate(some)}


def _class_numbers(location: Location, file: MergedFile, suite: SuiteFacts) -> tuple[int, ...]:
    """Return the numbers of classes joined by `|`, empty for unknown class names.

    Raises:
        ThresholdError: the suite has no such class, or one is named twice.
    """
    if suite.slices is None and not suite.class_names:
        return ()
    name, above = str(location[-1]), dotted_path(location[:-1])
    numbers, shown = _numbers(suite), table_class_names(suite.class_names, suite.class_count)
    parts = [name] if name in numbers else [part.strip() for part in name.split(_TOGETHER)]
    parts = parts[:-1] if parts[1:] == [""] else parts  # `macro|` is the class, not the key
    if suite.slices is None:  # records have short names only
        parts = [part if part in numbers else short_class_names([part])[0] for part in parts]
    for part in parts:
        if part not in numbers:
            text = f"the suite '{suite.name}' has no class '{part}'.{did_you_mean(part, shown)}"
            raise file.error(location, text, shown=above, allowed=listed(shown, at_most=_SHOWN))
    classes = tuple(numbers[part] for part in parts)
    problem = allowed = ""
    if len(set(classes)) < len(classes):
        problem, allowed = f"'{name}' names a class twice", "each class once"
    elif len(set(classes)) == suite.class_count:
        problem, allowed = f"'{name}' is every class", "all classes but one at most"
    if problem:
        raise file.error(location, problem, shown=above, allowed=allowed)
    return classes
