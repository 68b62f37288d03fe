"""Decided sets of a manifest: one row for each group of another set."""

from __future__ import annotations

from collections import Counter

from quba_check.core.facts import DecidedSet, short_class_names
from quba_check.core.view import CLEAN_SET
from quba_check.messages import did_you_mean, listed
from quba_check.strict_yaml import Document, Location
from quba_check.suites.label_spaces import ClassList
from quba_check.suites.manifest.definitions import error_at
from quba_check.suites.manifest.schema import SetEntries
from quba_check.suites.manifest.set_schema import AnySet

_SHOWN = 10
"""Largest number of names that a message lists."""


def define_decided(document: Document, sets: SetEntries, classes: ClassList) -> dict[str, DecidedSet]:
    """Return the sets under `decided`, by name.

    Args:
        document: the manifest.
        sets: its sets.
        classes: the suite's classes.

    Raises:
        SuiteError: another set is unknown, one of several, decided itself or without groups, or a class is
            unknown or none of its labels.
    """
    shown = sets.corruption_names if sets.corruptions and sets.corruptions.sample == "all" else ()
    others: list[tuple[str, AnySet]] = [*sets.shifts.items(), *sets.other.items()]
    others += zip(sets.unknown.names, sets.unknown.sets(prepared=False).values(), strict=True)
    if sets.clean is not None:
        others = [(CLEAN_SET, sets.clean), *others, *((name, sets.clean) for name in shown)]
    times = Counter(name for name, _ in others)
    grouped = [name for name, entry in others if entry.group is not None and times[name] == 1]
    decided = {}
    for name, rule in sets.decided.items():
        location = ("sets", "decided", name)
        named = [entry for other, entry in others if other == rule.of]
        problem = ""
        if rule.of in sets.decided:
            problem = "it is decided itself"
        elif len(named) > 1:
            problem = "several sets have this name"
        elif not named and rule.of in sets.corruption_names:
            problem = "no corruptions with sample: all are declared"
        elif named and named[0].group is None:
            problem = "it declares no group"
        if problem or not named:
            allowed = listed(grouped, _SHOWN) or "a set that declares group, and the suite has none"
            hint = "" if named else did_you_mean(rule.of, grouped)
            raise error_at(
                document, (*location, "of"), problem, got=f"'{rule.of}'", allowed=allowed, hint=hint
            )
        where = (*location, "any")
        class_name = rule.any_of
        if class_name is not None and named[0].space is not None:
            raise error_at(
                document,
                where,
                f"the labels of '{rule.of}' are not the model's classes",
                allowed="by in place of any",
            )
        number = None if class_name is None else _class_number(document, where, class_name, classes)
        decided[name] = DecidedSet(rule.of, rule.by or "any", number)
    return decided


def _class_number(document: Document, location: Location, name: str, classes: ClassList) -> int:
    """Return the number of a class by its name, or by a unique readable name."""
    number = classes.number(name)
    titles = zip(classes.titles, short_class_names(classes.titles), strict=True)
    same = [position for position, names in enumerate(titles) if name in names]
    if number is None and len(same) != 1:
        raise error_at(document, location, **classes.unknown("class", name))
    return same[0] if number is None else number
