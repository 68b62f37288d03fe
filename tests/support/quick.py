"""Parameters of which a few always run, and the others as slow tests."""

from collections.abc import Collection, Iterable

import pytest


def mostly_slow(values: Iterable[str], quick: Collection[str]) -> list[object]:
    """Return the parameters of a test, with the marker `slow` on all that are not quick."""
    return [value if value in quick else pytest.param(value, marks=pytest.mark.slow) for value in values]
