"""Negative log-likelihood and Brier score: by hand, against scikit-learn, and their ranges."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss

from quba_check.metrics import proper_scores
from quba_check.metrics.proper_scores import (
    LARGEST_BRIER,
    LARGEST_NLL,
    brier_scores,
    negative_log_likelihoods,
)


def table_of(seed, rows=40, classes=5):
    rng = np.random.default_rng(seed)
    table = rng.dirichlet(np.ones(classes), size=rows).astype(np.float32)
    return table, np.concatenate([np.arange(classes), rng.integers(0, classes, rows - classes)])


def test_by_hand():
    table = np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], np.float32)
    label = np.array([1, 1, 2])
    assert negative_log_likelihoods(table, label).tolist() == [math.log(4), 0.0, LARGEST_NLL]
    assert brier_scores(table, label).tolist() == [0.25 + 0.5625 + 0.0625, 0.0, 2.0]
    assert pytest.approx(103.278929903) == LARGEST_NLL


def test_a_label_outside_the_classes_has_no_probability():
    table = np.array([[0.75, 0.25]] * 2, np.float32)
    label = np.array([-1, 2])
    assert negative_log_likelihoods(table, label).tolist() == [LARGEST_NLL] * 2
    assert brier_scores(table, label).tolist() == [0.5625 + 0.0625 + 1] * 2


@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 3, 10]))
@settings(deadline=None, derandomize=True, max_examples=25)
def test_means_equal_scikit_learn(seed, classes):
    table, label = table_of(seed, classes=classes)
    exact = table.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)  # scikit-learn expects rows that sum to 1 in float64
    ours = negative_log_likelihoods(exact, label), brier_scores(exact, label)
    assert ours[0].mean() == pytest.approx(log_loss(label, exact), abs=1e-12, rel=1e-12)
    brier = sum(brier_score_loss(label == k, exact[:, k]) for k in range(classes))
    assert ours[1].mean() == pytest.approx(brier, abs=1e-12)
    for scores, largest in zip(ours, (LARGEST_NLL, LARGEST_BRIER), strict=True):
        assert 0 <= scores.min() <= scores.max() <= largest


def test_blocks_do_not_change_the_scores(monkeypatch):
    table, label = table_of(0)
    whole = brier_scores(table, label)
    monkeypatch.setattr(proper_scores, "BLOCK", 15)
    np.testing.assert_array_equal(brier_scores(table, label), whole)
