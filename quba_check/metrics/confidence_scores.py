"""Scores of a model's confidence in its answers, all higher for images of known classes.

Each is a function of stored float32 columns: class probabilities, the largest logit, and the logsumexp of the
logits. The largest logit is not computed from the other two, since their rounding would break ties.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def max_probability(confidence: NDArray[np.float32]) -> NDArray[np.float64]:
    """Largest softmax probability, in (0, 1].

    Args:
        confidence: (n,) largest probability.

    Returns:
        (n,) scores.

    Source: Hendrycks and Gimpel, ICLR 2017.
    """
    return confidence.astype(np.float64)


def margin(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Largest probability minus the second largest, in [0, 1].

    Args:
        probabilities: (n, C) class probabilities, C at least 2.

    Returns:
        (n,) scores.

    Source: Scheffer, Decomain and Wrobel, IDA 2001.

    >>> margin(np.array([[0.25, 0.5, 0.25]], np.float32)).tolist()
    [0.25]
    """
    second, first = np.partition(probabilities, -2, axis=1)[:, -2:].T.astype(np.float64)
    scores: NDArray[np.float64] = first - second
    return scores


def max_logit(largest: NDArray[np.float32]) -> NDArray[np.float64]:
    """Largest logit.

    Args:
        largest: (n,) largest logit, any finite number.

    Returns:
        (n,) scores.

    Source: Hendrycks et al., ICML 2022.
    """
    return largest.astype(np.float64)


def energy(logsumexp: NDArray[np.float32]) -> NDArray[np.float64]:
    """Negative energy at temperature 1, which is +L.

    The energy itself is -L and lower for known images.

    Args:
        logsumexp: (n,) logsumexp of the logits, any finite number.

    Returns:
        (n,) scores.

    Source: Liu et al., NeurIPS 2020.
    """
    return logsumexp.astype(np.float64)
