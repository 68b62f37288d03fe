"""Scores of confidence by hand."""

import numpy as np
import pytest

from quba_check.metrics.confidence_scores import energy, max_logit, max_probability


def test_scores_by_hand():
    """Probabilities 3/4 and 1/4 of the logits log 3 and 0, whose exponentials add up to 4."""
    assert max_probability(np.float32([0.75])) == [0.75]
    assert max_logit(np.log(np.float32([3]))) == pytest.approx([np.log(3)])
    assert energy(np.log(np.float32([4]))) == pytest.approx([np.log(4)])
