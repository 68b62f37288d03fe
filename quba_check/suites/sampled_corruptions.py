"""Sampled corruptions: each image under one corruption at one severity."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from quba_check.core.view import CORRUPTIONS, CORRUPTIONS_SET, SEVERITIES, View
from quba_check.errors import SuiteError
from quba_check.suites.example import Example
from quba_check.suites.sampling import SubsetSampler


def conditions_of(corruptions: Iterable[str]) -> tuple[View, ...]:
    """Return the view of each corruption at each severity."""
    return tuple(
        View(CORRUPTIONS_SET, corruption=corruption, severity=severity)
        for corruption in corruptions
        for severity in SEVERITIES
    )


CONDITIONS = conditions_of(CORRUPTIONS)
"""The 75 conditions."""


def sampled_examples(
    examples: Callable[[View], Sequence[Example]], path_of: Callable[[View], Path], sampler: SubsetSampler
) -> tuple[Example, ...]:
    """Return the images of a set, each under its assigned condition.

    Args:
        examples: returns the images of a condition.
        path_of: returns the path of a condition.
        sampler: assigns conditions.

    Raises:
        SuiteError: two conditions do not show the same images.
    """
    first = CONDITIONS[0]
    sampled = list(examples(first))
    labels = [example.label for example in sampled]
    # By position in the set: the order of evaluation must not change the conditions.
    order = sorted(range(len(sampled)), key=lambda position: sampled[position].index)
    assigned = np.empty(len(sampled), dtype=np.intp)
    assigned[order] = sampler.assign_conditions([labels[position] for position in order], len(CONDITIONS))
    for number, view in enumerate(CONDITIONS):
        of_condition = examples(view)
        if [example.label for example in of_condition] != labels:
            raise SuiteError(
                f"{path_of(view)}: its images are not those of {path_of(first)}. With sample: one every "
                "corruption shows the same images; sample: all takes any."
            )
        condition = str(view.corruption), int(view.severity or 0)
        for position in (assigned == number).nonzero()[0].tolist():
            sampled[position] = replace(of_condition[position], condition=condition)
    return tuple(sampled)
