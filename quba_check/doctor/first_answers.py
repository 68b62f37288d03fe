"""The run's own answers to its first clean images, from which healthy models are recognised."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from quba_check.core.predictions import Predictions
from quba_check.core.view import CLEAN
from quba_check.doctor.significance import FEWEST
from quba_check.errors import QubaError
from quba_check.evaluation import Evaluation

_POOR = 0.5
"""Accuracy below which the setup is examined in any case."""
_OVERCONFIDENT = 0.05
"""Excess of confidence over accuracy that models of the right setup often have."""
_SCORE = 2.326
"""Normal score of the one-sided level 0.01."""


def first_answers(evaluation: Evaluation) -> Predictions | None:
    """Return the answers to the first shard of clean images, from the store.

    Returns:
        None if the run needs no clean images, or if predicting them fails, which the run reports.
    """
    engine = evaluation.engine
    stored_view = engine.cache_keys.stored_view
    if stored_view(CLEAN) in map(stored_view, engine.run_views):
        with suppress(QubaError):
            return engine.predictions([CLEAN], engine.run_views, range(1))[CLEAN]
    return None


def are_plausible(correct: NDArray[np.bool_], confidence: NDArray[np.floating]) -> bool:
    """True if accuracy is not low, and not clearly below what confidence promises.

    Args:
        correct: (N,) True for right answers.
        confidence: (N,) probabilities of the predicted classes, in [0, 1].

    >>> are_plausible(np.arange(20) > 1, np.full(20, 0.9))
    True
    >>> are_plausible(np.arange(20) > 7, np.full(20, 0.99))
    False
    """
    n, excess = len(correct), confidence - correct
    least_excess = float(excess.mean() - _SCORE * excess.std() / np.sqrt(n))
    return n >= FEWEST and float(correct.mean()) >= _POOR and least_excess <= _OVERCONFIDENT
