"""How likely a finding is to be luck: small exact tests on few images."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

ALPHA = 0.01
"""Level of every test, shared by the candidates that are tried."""
_FLIPS = 20_000
FEWEST = 16
"""Images from which anything is concluded: with fewer no test can be sure among several candidates."""
_WORTH_MEASURING = 0.25
"""A model that is this share of the way from chance to always right is no model at chance."""


def at_least(hits: int, n: int, p: float) -> float:
    """Probability of `hits` or more of n, where each is a hit with probability p.

    >>> at_least(2, 2, 0.5)
    0.25
    """
    if not 0 < p < 1:
        return 1.0 if p >= 1 or hits <= 0 else 0.0
    logs = (
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
        + k * math.log(p) + (n - k) * math.log1p(-p)
        for k in range(max(hits, 0), n + 1)
    )  # fmt: skip
    return min(1.0, round(math.fsum(map(math.exp, logs)), 15))


def is_at_chance(hits: int, n: int, classes: int) -> bool:
    """Whether answers are surely those of chance: no better than guessing, and surely worse than a model.

    With few images it is said of neither a good nor a bad model, and with fewer than 16 of none.

    >>> is_at_chance(0, 20, 1000), is_at_chance(18, 20, 1000), is_at_chance(7, 20, 3)
    (True, False, False)
    """
    if n < FEWEST:
        return False
    guess = 1 / classes
    useful = guess + _WORTH_MEASURING * (1 - guess)
    return at_least(hits, n, guess) > ALPHA and 1 - at_least(hits + 1, n, useful) < ALPHA


def mcnemar_p(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Probability that luck alone makes the second as much more often true than the first, pair by pair.

    McNemar's exact test, one-sided, on (N,) outcomes on the same images.

    >>> mcnemar_p(np.array([False, False, True]), np.array([True, True, True]))
    0.25
    """
    better, worse = int((second & ~first).sum()), int((first & ~second).sum())
    return at_least(better, better + worse, 0.5)


def sign_flip_p(differences: NDArray[np.float64], seed: int = 0) -> float:
    """Probability of a mean as high as that of some differences, were their signs a matter of luck.

    A sign-flip test: no assumption but that without a true difference each sign is as likely as the other.

    Args:
        differences: (N,), one an image.
        seed: of the 20,000 draws of signs.

    >>> sign_flip_p(np.zeros(5)), sign_flip_p(np.full(20, 0.3)) < 1e-4
    (1.0, True)
    """
    rng = np.random.default_rng(seed)
    observed = float(differences.sum())
    sums = np.empty(_FLIPS)
    for start in range(0, _FLIPS, 1000):
        signs = rng.integers(0, 2, (1000, len(differences))) * 2 - 1
        sums[start : start + 1000] = signs @ differences
    # Sums of the same numbers in another order differ in the last bits.
    as_high = int((sums >= observed - 1e-9 * float(np.abs(differences).sum())).sum())
    return (as_high + 1) / (_FLIPS + 1)
