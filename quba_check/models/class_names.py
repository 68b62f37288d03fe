"""Class names that a model's files state, next to those of the suite."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from quba_check.core.classes import Head
from quba_check.errors import ModelError
from quba_check.messages import listed
from quba_check.models.preprocessing.config import CLASS_NAMES, PreprocessingConfig
from quba_check.models.request import LoadRequest

_NUMBER = re.compile(r"(label|class)?[ _-]?\d+", re.IGNORECASE)
"""A name that exporters fill in if they know none."""


def head_by_names(
    head: Head, configs: Sequence[PreprocessingConfig], request: LoadRequest, *, spec: str
) -> tuple[Head, tuple[str, ...]]:
    """Return the head with outputs in the suite's order, and notes on contradictions.

    Args:
        head: the outputs that the suite expects.
        configs: configs of the model; the last one with names counts.
        request: the suite's classes.
        spec: the model's spec, for messages.

    Raises:
        ModelError: a class of the suite is the name of another output, or of an ignored one.
    """
    stated = next((config for config in reversed(configs) if config.values.get(CLASS_NAMES)), None)
    if stated is None or all(_NUMBER.fullmatch(name) for name in stated.values[CLASS_NAMES]):
        return head, ()
    names = stated.values[CLASS_NAMES]
    source = stated.source
    if len(names) != head.size:
        return head, (f"{source} names {len(names):,} classes, {head.expected}",)
    columns = head.columns or tuple(range(head.size))
    suite_order = range(head.classes)
    if _classes_of([names[place] for place in columns], request) == [*suite_order]:
        return head, ()
    numbers = _classes_of(names, request)
    places = {number: place for place, number in enumerate(numbers) if number is not None}
    if len(places) == head.classes == len(names) - numbers.count(None):
        order = tuple(places[number] for number in suite_order)
        lost = {*order} & {*head.ignored}
        if lost:
            raise ModelError(
                "ignore cannot be used",
                where=spec,
                got=f"{min(lost)}, which {source} names '{names[min(lost)]}', a class of the suite",
            )
        note = f"the outputs are put into the suite's order by their names, as {source} states"
        return replace(head, columns=order), (note,)
    differing = [number for number, place in enumerate(columns) if numbers[place] != number]
    shown = listed((f"{names[columns[number]]} for {request.classes[number]}" for number in differing), 3)
    if any(numbers[columns[number]] is not None for number in differing):
        raise ModelError(
            f"{source} names outputs in another order than the suite, and not all by its classes",
            where=spec,
            got=shown,
            hint=f"Give the suite the names in {source}, or correct them there.",
        )
    return head, (f"{source} names other classes than the suite, in its order: {shown}",)


def _classes_of(names: Sequence[str], request: LoadRequest) -> list[int | None]:
    """Return the number of the suite's class for each name, None for others."""
    plain = {_plain(name): number for number, name in enumerate(request.classes)}
    if len(plain) < len(request.classes):
        plain = {}
    positions_of = request.positions_of or (lambda names: [None] * len(names))
    exact = positions_of(names)
    spaced = positions_of([name.replace("_", " ") for name in names])
    ways = zip(exact, spaced, (plain.get(_plain(name)) for name in names), strict=True)
    numbers = [next((number for number in way if number is not None), None) for way in ways]
    times = Counter(names)
    # A name that the list has twice tells its own place alone.
    return [number if times[names[k]] == 1 or number == k else None for k, number in enumerate(numbers)]


def _plain(name: str) -> str:
    return name.casefold().replace("_", " ")
