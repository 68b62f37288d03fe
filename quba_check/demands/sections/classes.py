"""The section `classes` of a threshold file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, get_args

from quba_check.core.facts import SuiteFacts, short_class_names, table_class_names
from quba_check.core.request import (
    CLASS_NUMBERS,
    EACH,
    MACRO,
    NOT_AS,
    ClassRule,
    OperatingPoint,
    QuantityKind,
    Request,
)
from quba_check.demands.bounds import Asked
from quba_check.demands.document import MergedFile
from quba_check.demands.schema import MacroEntry, NotAs, OperatingPointEntry
from quba_check.demands.sections.conditions import KINDS, check_chosen_on, entries_of, numbers_asked, on_sets
from quba_check.messages import did_you_mean, listed
from quba_check.strict_yaml import Location, dotted_path

_RULES: tuple[ClassRule, ...] = get_args(ClassRule)
_WORST: tuple[QuantityKind, ...] = ("worst",)
"""Demands on slices of numbers that are not of one class, over classes and slices."""
_OF: Mapping[str, tuple[str, ...]] = {
    EACH: ("recall", "specificity", "precision", "f1"),
    MACRO: ("recall", "precision", "f1"),
}
"""Numbers of the targets that are no class."""
_OF_A_CLASS = tuple(name for name in CLASS_NUMBERS if name != "confusion")
_TOGETHER = "|"
_SHOWN = 10
"""Largest number of names that a message lists."""


def class_requests(location: Location, entry: MacroEntry | NotAs, file: MergedFile) -> Iterator[Asked]:
    """Yield what an entry of a class, or of all classes, asks for.

    Raises:
        ThresholdError: a class or set that the suite does not have, an entry without a number, a setting
            without effect, or a threshold chosen on the judged images.
    """
    name = str(location[1])
    if name in (EACH, MACRO, NOT_AS) and name in _numbers(file.suite):
        raise file.error(
            location[:2],
            f"'{name}' is a key of this section and a class of the suite '{file.suite.name}'",
            path="classes",
            allowed=f"'{name}|' for the class",
            hint="To use the key, rename the class.",
        )
    if isinstance(entry, MacroEntry):
        yield from _of_entry(location, entry, name, file)
        return
    for target, others in entry.items():
        yield from _confusions((*location, target), others or {}, file)


def _confusions(location: Location, entries: Mapping[str, Any], file: MergedFile) -> Iterator[Asked]:
    target, classes = _classes(location, file)
    for name, bounds in entries.items():
        place = (*location, name)
        mistaken_for, others = _classes(place, file)
        if {*classes} & {*others}:
            raise file.error(
                place, "a class cannot be mistaken for itself", got=f"'{name}'", allowed="other classes"
            )
        number = CLASS_NUMBERS["confusion"]
        request = Request("classes", number, target, classes, mistaken_for=mistaken_for, others=others)
        for inner, entry in entries_of(place, bounds):
            requests = on_sets(inner, entry, request, file)
            yield from numbers_asked(inner, entry, requests, file, kinds=_WORST)


def _of_entry(location: Location, entry: MacroEntry, name: str, file: MergedFile) -> Iterator[Asked]:
    allowed = _OF.get(name, _OF_A_CLASS)
    target, classes = (name, ()) if name in _OF else _classes(location[:2], file)
    stated = file.keys(location)
    metrics = [metric for metric in allowed if metric in stated]
    if not metrics:
        got = listed(stated) or "nothing"
        raise file.error(
            location,
            "nothing is demanded",
            got=got,
            allowed=f"{listed(allowed)}, each with min, max_drop or max_relative_drop",
        )
    at = _operating_point((*location, "at"), getattr(entry, "at", None), file)
    restated = ("precision", "npv")
    for key, targets in (
        ("at", tuple(metric_name for metric_name in allowed if metric_name != "auroc")),
        ("prevalence", restated),
    ):
        if key in stated and not {*targets} & {*metrics}:
            raise file.error(
                (*location, key), "it applies to no demand", allowed=f"together with {' or '.join(targets)}"
            )
    kinds = _WORST if name in _OF else KINDS
    for metric in metrics:
        request = Request("classes", CLASS_NUMBERS[metric], target, classes)
        if metric != "auroc":
            request = replace(request, at=at)
        if metric in restated:
            request = replace(request, prevalence=getattr(entry, "prevalence", None))
        requests = on_sets(location, entry, request, file)
        for request_on_set in requests:
            check_chosen_on((*location, "at", "from"), request_on_set, file)
        yield from numbers_asked((*location, metric), getattr(entry, metric), requests, file, kinds=kinds)


def _operating_point(
    location: Location, entry: OperatingPointEntry | None, file: MergedFile
) -> OperatingPoint | None:
    """Return the operating point of an entry; None without one.

    Raises:
        ThresholdError: it has not exactly one rule, or states no set to choose the threshold on.
    """
    stated = file.keys(location)
    if entry is None or not stated:
        return None
    rules = [rule for rule in _RULES if rule in stated]
    if len(rules) != 1 or ("from" in stated) != (rules != ["probability"]):
        raise file.error(
            location, got=listed(stated), allowed="probability, or specificity, recall or precision with from"
        )
    return OperatingPoint(rules[0], getattr(entry, rules[0]), entry.chosen_on or "")


def _numbers(suite: SuiteFacts) -> dict[str, int]:
    """Return the number of each class by its names: full, short, and as in tables."""
    table_names = table_class_names(suite.class_names, suite.class_count)
    names = (table_names, short_class_names(suite.class_names), suite.class_names)
    return {name: number for some in names for number, name in enumerate(some)}


def _classes(location: Location, file: MergedFile) -> tuple[str, tuple[int, ...]]:
    """Return the name of classes joined by `|`, in the suite's order, and their numbers.

    For unknown class names it is the stated name, without numbers.

    Raises:
        ThresholdError: the suite has no such class, or one is named twice.
    """
    suite = file.suite
    if suite.slices is None and not suite.class_names:
        return str(location[-1]), ()
    name = str(location[-1])
    above = dotted_path(location[:-1])
    numbers = _numbers(suite)
    table_names = table_class_names(suite.class_names, suite.class_count)
    parts = [name] if name in numbers else [part.strip() for part in name.split(_TOGETHER)]
    parts = parts[:-1] if parts[1:] == [""] else parts  # `macro|` is the class, not the key
    if suite.slices is None:  # records have short names only
        parts = [part if part in numbers else short_class_names([part])[0] for part in parts]
    for part in parts:
        if part not in numbers:
            raise file.error(
                location,
                f"the suite '{suite.name}' has no class '{part}'",
                path=above,
                allowed=listed(table_names, _SHOWN),
                hint=did_you_mean(part, table_names),
            )
        if suite.class_names.count(part) > 1:
            raise file.error(
                location,
                f"the suite '{suite.name}' has several classes '{part}'",
                path=above,
                allowed="a name of one class",
            )
    classes = tuple(sorted(numbers[part] for part in parts))
    problem = allowed = ""
    if len(set(classes)) < len(classes):
        problem = f"'{name}' names a class twice"
        allowed = "each class once"
    elif len(set(classes)) == suite.class_count:
        problem = f"'{name}' is every class"
        allowed = "all classes but one at most"
    if problem:
        raise file.error(location, problem, path=above, allowed=allowed)
    target = _TOGETHER.join(table_names[number] for number in classes)
    return f"{target}{_TOGETHER if target in (EACH, MACRO, NOT_AS) else ''}", classes
