"""Class names that a model's files state, next to those of the suite."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from quba_check.core.classes import Head
from quba_check.messages import listed
from quba_check.models.preprocessing.config import PreprocessingConfig

CLASS_NAMES = "class_names"
"""Key of a config for the names of all outputs, in order."""
_NUMBER = re.compile(r"(label|class)?[ _-]?\d+", re.IGNORECASE)
"""A name that exporters fill in if they know none."""


def head_by_names(
    head: Head, configs: Sequence[PreprocessingConfig], *readings: Sequence[str]
) -> tuple[Head, tuple[str, ...]]:
    """Return the head with outputs in the suite's order, and notes on contradictions.

    Args:
        head: the outputs that the suite expects.
        configs: configs of the model; the last one with names counts.
        readings: the suite's class names, and readable ones. Case, blanks and underscores do not matter, and
            synonyms after a comma only for names that are equal before it.
    """
    stated = next((one for one in reversed(configs) if one.values.get(CLASS_NAMES)), None)
    if stated is None or all(_NUMBER.fullmatch(name) for name in stated.values[CLASS_NAMES]):
        return head, ()
    names, source = stated.values[CLASS_NAMES], stated.source
    if len(names) != head.size:
        return head, (f"{source} names {len(names):,} classes, {head.expected}",)
    forms = _forms(names)
    classes = [set().union(*one) for one in zip(*map(_forms, filter(None, readings)), strict=True)]
    columns = head.columns or tuple(range(head.size))
    wrong = [k for k, position in enumerate(columns) if not forms[position] & classes[k]]
    if not wrong:
        return head, ()
    places = [[place for place in range(head.size) if forms[place] & own] for own in classes]
    order = tuple(own[0] for own in places if len(own) == 1)
    if len({*order}) == len(classes) and head.columns is None:
        return replace(head, columns=order), (
            f"the outputs are put into the suite's order by their names, as {source} states",
        )
    pairs = (f"{names[columns[k]]} for {readings[0][k]}" for k in wrong)
    return head, (f"{source} names other classes than the suite, in its order: {listed(pairs, 3)}",)


def _forms(names: Sequence[str]) -> list[set[str]]:
    """Return each name in its plain form, and its unique part before a comma."""
    whole = [re.sub(r"[\s_-]+", " ", name).strip().casefold() for name in names]
    short = [name.partition(",")[0] for name in whole]
    times = Counter(short)
    return [{one, *([part] if times[part] == 1 else [])} for one, part in zip(whole, short, strict=True)]
