"""Small exact tests of the doctor's hypotheses, on few images."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

ALPHA = 0.01
"""Level of every test, divided among the candidates of a search."""
FEWEST = 16
"""Fewest images for a conclusion: with fewer, no test is significant among several candidates."""
_FLIPS = 20_000
_WORTH_MEASURING = 0.25
"""A model this share of the way from chance to perfect is not at chance."""


def binomial_tail(k: int, n: int, p: float) -> float:
    """Probability of k or more successes in n trials with success probability p.

    >>> round(binomial_tail(2, 2, 0.5), 12)
    0.25
    """
    return float(scipy.special.bdtrc(k - 1, n, p))


def is_at_chance(n_correct: int, n: int, n_classes: int) -> bool:
    """True if accuracy is no better than guessing and significantly below useful.

    False for fewer than 16 images.

    >>> is_at_chance(0, 20, 1000), is_at_chance(18, 20, 1000), is_at_chance(7, 20, 3)
    (True, False, False)
    """
    if n < FEWEST:
        return False
    guess = 1 / n_classes
    useful = guess + _WORTH_MEASURING * (1 - guess)
    is_guessing = binomial_tail(n_correct, n, guess) > ALPHA
    return is_guessing and float(scipy.special.bdtr(n_correct, n, useful)) < ALPHA


def mcnemar_p(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Exact one-sided p-value of McNemar's test.

    The hypothesis: the second is not correct more often than the first.

    Args:
        first: (N,) outcomes, one per image.
        second: (N,) outcomes on the same images.

    >>> round(mcnemar_p(np.array([False, False, True]), np.array([True, True, True])), 12)
    0.25
    """
    gained = int((second & ~first).sum())
    lost = int((first & ~second).sum())
    return binomial_tail(gained, gained + lost, 0.5)


def sign_flip_p(differences: NDArray[np.float64], seed: int = 0) -> float:
    """One-sided p-value of a sign-flip test: the mean difference is not above 0.

    Matrix products make it about ten times as fast as `scipy.stats.permutation_test`.

    Args:
        differences: (N,), one per image.
        seed: of the 20,000 draws of signs.

    >>> sign_flip_p(np.zeros(5)), sign_flip_p(np.full(20, 0.3)) < 1e-4
    (1.0, True)
    """
    rng = np.random.default_rng(seed)
    # Sums of the same numbers in another order differ in the last bits.
    threshold = differences.sum() - 1e-9 * np.abs(differences).sum()
    n_as_high = 0
    for _ in range(_FLIPS // 1000):
        signs = rng.integers(0, 2, (1000, len(differences))) * 2 - 1
        n_as_high += int((signs @ differences >= threshold).sum())
    return (n_as_high + 1) / (_FLIPS + 1)
