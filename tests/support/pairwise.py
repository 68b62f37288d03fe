"""Rows of a matrix in which each two values meet, in place of all rows."""

from collections.abc import Sequence
from itertools import combinations, product
from typing import Any


def pairwise(*choices: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return rows of one value of each choice; each pair of values of two choices is in a row."""
    rows = list(product(*(range(len(choice)) for choice in choices)))
    missing = {pair for row in rows for pair in combinations(enumerate(row), 2)}
    chosen = []
    while missing:
        best = max(rows, key=lambda row: len(missing & {*combinations(enumerate(row), 2)}))
        missing -= {*combinations(enumerate(best), 2)}
        chosen.append(tuple(choice[place] for choice, place in zip(choices, best, strict=True)))
    return chosen
