"""Which images are looked at: few, of all classes alike, and the same ones every time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from quba_check.suites.suite import Example


def stratified(examples: Sequence[Example], limit: int, seed: int) -> tuple[Example, ...]:
    """Examples in rounds over the classes, in an order that depends on the seed and the set alone.

    A shorter sample is the beginning of a longer one: every class has had its k-th image before one has its
    k+1-st, so that any beginning is spread over the classes as evenly as it can be.

    Args:
        examples: all of a set.
        limit: how many at most.
        seed: of the order.
    """
    order = np.random.default_rng(seed).permutation(len(examples))
    seen: dict[int, int] = {}
    rounds: list[tuple[int, int]] = []
    for position in order:
        label = examples[position].label
        rounds.append((seen.get(label, 0), int(position)))
        seen[label] = seen.get(label, 0) + 1
    # Sorting is stable: within a round the shuffled order stays.
    return tuple(examples[position] for _, position in sorted(rounds, key=lambda pair: pair[0])[:limit])
