"""Scores of confidence: by hand, and the precision of stored columns."""

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.metrics.confidence_scores import energy, max_logit, max_probability

examples = settings(deadline=None, derandomize=True, max_examples=60)


def stored(logits):
    """Confidence and logsumexp of logits, rounded as they are stored."""
    probability = scipy.special.softmax(logits.astype(np.float32), axis=1)
    logsumexp = scipy.special.logsumexp(logits.astype(np.float64), axis=1)
    return probability.max(axis=1), logsumexp.astype(np.float32)


def test_scores_by_hand():
    """Probabilities 3/4 and 1/4 of the logits log 3 and 0, whose exponentials add up to 4."""
    confidence, logsumexp = stored(np.log([[3.0, 1.0]]))
    assert max_probability(confidence) == pytest.approx([0.75])
    assert max_logit(confidence, logsumexp) == pytest.approx([np.log(3)])
    assert energy(logsumexp) == pytest.approx([np.log(4)])


@given(st.integers(2, 500), st.floats(0.01, 200), st.floats(-500, 500), st.integers(0, 999))
@examples
def test_the_largest_logit_is_exact_to_its_stated_error(classes, spread, offset, seed):
    logits = np.random.default_rng(seed).normal(offset, spread, (4, classes)).astype(np.float32)
    confidence, logsumexp = stored(logits)
    error = np.abs(max_logit(confidence, logsumexp) - logits.max(axis=1))
    assert (error <= 1e-6 + 1e-7 * np.abs(logsumexp)).all()
