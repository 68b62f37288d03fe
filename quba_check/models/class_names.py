"""Class names that a model's files state, next to those of the suite."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from quba_check.core.classes import Head
from quba_check.messages import listed
from quba_check.models.preprocessing.config import CLASS_NAMES, PreprocessingConfig
from quba_check.models.request import LoadRequest

_NUMBER = re.compile(r"(label|class)?[ _-]?\d+", re.IGNORECASE)
"""A name that exporters fill in if they know none."""


def head_by_names(
    head: Head, configs: Sequence[PreprocessingConfig], request: LoadRequest
) -> tuple[Head, tuple[str, ...]]:
    """Return the head with outputs in the suite's order, and notes on contradictions.

    Args:
        head: the outputs that the suite expects.
        configs: configs of the model; the last one with names counts.
        request: the suite's classes.
    """
    stated = next((one for one in reversed(configs) if one.values.get(CLASS_NAMES)), None)
    if stated is None or all(_NUMBER.fullmatch(name) for name in stated.values[CLASS_NAMES]):
        return head, ()
    names, source = stated.values[CLASS_NAMES], stated.source
    if len(names) != head.size:
        return head, (f"{source} names {len(names):,} classes, {head.expected}",)
    names = [names[position] for position in head.columns or range(head.size)]
    by_name = {name: number for number, name in enumerate(request.classes)}
    positions_of = request.positions_of or (lambda names: [by_name.get(name) for name in names])
    positions, suite_order = positions_of(names), list(range(head.classes))
    if None in positions:  # exporters write underscores for blanks
        positions = positions_of([name.replace("_", " ") for name in names])
    if positions == suite_order:
        return head, ()
    by_class = {number: position for position, number in enumerate(positions) if number is not None}
    if head.columns is None and len(by_class) == head.classes:
        order = tuple(by_class[number] for number in suite_order)
        note = f"the outputs are put into the suite's order by their names, as {source} states"
        return replace(head, columns=order), (note,)
    pairs = zip(names, request.classes, positions, suite_order, strict=True)
    wrong = (f"{name} for {own}" for name, own, place, expected in pairs if place != expected)
    return head, (f"{source} names other classes than the suite, in its order: {listed(wrong, 3)}",)
