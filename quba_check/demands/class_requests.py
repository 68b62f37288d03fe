"""The section `classes` of a threshold file, as requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from quba_check.core.facts import SuiteFacts, short_class_names, table_class_names
from quba_check.core.requests import RATES, ClassRequest
from quba_check.errors import ThresholdError
from quba_check.messages import did_you_mean, listed
from quba_check.strict_yaml import Location

Where = Callable[[Location], str]
"""Returns the file and line of a key, for the start of a message."""
_TOGETHER = "|"
_SHOWN = 10
"""Largest number of classes that a message lists."""


def class_requests(
    entries: Mapping[str, Any], suite: SuiteFacts, where: Where
) -> Iterator[tuple[Location, Mapping[str, Any], ClassRequest]]:
    """Yield the requests, each with the location of its bounds, and these.

    Args:
        entries: the content of the section, well-formed by the schema.
        suite: the names of the classes.
        where: place of a location in the file, for messages.

    Raises:
        ThresholdError: a class that the suite does not have, or an entry without a number.
    """
    for name, entry in entries.items():
        if entry is not None:
            yield from _requests_of_class(("classes", name), entry, suite, where)


def _requests_of_class(
    location: Location, entry: Mapping[str, Any], suite: SuiteFacts, where: Where
) -> Iterator[tuple[Location, Mapping[str, Any], ClassRequest]]:
    name = str(location[-1])
    classes = _class_numbers(name, suite, f"{where(location)}: {location[0]}")
    metrics = [metric for metric in RATES if entry.get(metric) is not None]
    if not metrics:
        got = listed(entry) or "nothing"
        raise ThresholdError(
            f"{where(location)}: {'.'.join(map(str, location))}: nothing is demanded, got {got}. "
            f"Allowed: {listed(RATES)}, each with min, max_drop or max_relative_drop."
        )
    for metric in metrics:
        yield (*location, metric), entry[metric], ClassRequest(name, classes, metric)


def _class_numbers(name: str, suite: SuiteFacts, where: str) -> tuple[int, ...]:
    """Return the numbers of classes joined by `|`, empty for unknown class names.

    Raises:
        ThresholdError: the suite has no such class, or one is named twice.
    """
    if suite.slices is None and not suite.class_names:
        return ()
    shown = table_class_names(suite.class_names, suite.class_count)
    numbers = {short: number for number, short in enumerate(shown)}
    numbers |= {short: number for number, short in enumerate(short_class_names(suite.class_names))}
    numbers |= {full: number for number, full in enumerate(suite.class_names)}
    parts = [name] if name in numbers else [part.strip() for part in name.split(_TOGETHER)]
    for part in parts:
        if part not in numbers:
            raise ThresholdError(
                f"{where}: the suite '{suite.name}' has no class '{part}'.{did_you_mean(part, shown)} "
                f"Allowed: {listed(shown, at_most=_SHOWN)}."
            )
    classes = tuple(numbers[part] for part in parts)
    if len(set(classes)) < len(classes):
        raise ThresholdError(f"{where}: '{name}' names a class twice. Allowed: each class once.")
    if len(set(classes)) == suite.class_count:
        raise ThresholdError(f"{where}: '{name}' is every class. Allowed: all classes but one at most.")
    return classes
