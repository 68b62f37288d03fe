"""Corruptions, sampled: each image under one of them at one severity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from quba_check.core.view import CORRUPTIONS, CORRUPTIONS_SET, SEVERITIES, View
from quba_check.errors import SuiteError
from quba_check.suites.example import Example
from quba_check.suites.sampling import SubsetSampler

CONDITIONS = tuple(
    View(CORRUPTIONS_SET, corruption=corruption, severity=severity)
    for corruption in CORRUPTIONS
    for severity in SEVERITIES
)
"""The 75 conditions."""


def sampled_examples(
    examples: Callable[[View], Sequence[Example]], place: Callable[[View], Path], sampler: SubsetSampler
) -> tuple[Example, ...]:
    """The images of a set, each from the condition whose turn it is.

    Args:
        examples: the images of a condition.
        place: where they are.
        sampler: whose turn it is.

    Raises:
        SuiteError: two conditions do not show the same images.
    """
    first = CONDITIONS[0]
    sampled = list(examples(first))
    labels = [example.label for example in sampled]
    # By place in the set, whatever the order in which the images are looked at.
    order = sorted(range(len(sampled)), key=lambda position: sampled[position].index)
    turns = np.empty(len(sampled), dtype=np.intp)
    turns[order] = sampler.assign_conditions([labels[position] for position in order], len(CONDITIONS))
    for number, view in enumerate(CONDITIONS):
        found = examples(view)
        if [example.label for example in found] != labels:
            raise SuiteError(
                f"{place(view)}: its images are not those of {place(first)}. With sample: one every "
                "corruption shows the same images; sample: all takes any."
            )
        shown = str(view.corruption), int(view.severity or 0)
        for position in (turns == number).nonzero()[0].tolist():
            sampled[position] = replace(found[position], condition=shown)
    return tuple(sampled)
