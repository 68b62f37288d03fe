"""Permutation tests of two samples, and Holm's rule for many of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import permutation_test

RESAMPLES = 19_999


def p_value(one: Sequence[float], other: Sequence[float]) -> float:
    """Two-sided p-value of a difference of means under random exchange of the two samples' values."""

    def difference(x: np.ndarray, y: np.ndarray, axis: int) -> np.ndarray:
        return np.mean(x, axis=axis) - np.mean(y, axis=axis)

    found = permutation_test(
        (np.asarray(one), np.asarray(other)),
        difference,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=2000,
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)


def rejected(p_values: Mapping[str, float], level: float) -> list[str]:
    """The hypotheses that Holm's rule rejects, smallest p-value first."""
    found = []
    for rank, (name, value) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        if value > level / (len(p_values) - rank):
            break
        found.append(name)
    return found
