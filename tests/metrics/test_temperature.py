"""Temperature scaling and proper scores: by hand, against scipy and scikit-learn, and properties."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp, softmax
from sklearn.metrics import brier_score_loss, log_loss

from quba_check.metrics import temperature
from quba_check.metrics.temperature import (
    LARGEST_BRIER,
    LARGEST_NLL,
    brier_scores,
    fit_temperature,
    halves,
    negative_log_likelihoods,
    scale_held_out,
    scale_probabilities,
)

SMALLEST = 2.0**-149
"""The smallest float32 number above 0."""


def fit(table, label):
    return fit_temperature(np.asarray(table, np.float32), np.asarray(label, np.int64))


def confidence(table, result):
    return scale_probabilities(np.asarray(table, np.float32), result.temperature).max(axis=1)


def answers(seed, rows=300, classes=7, scale=3.0):
    """Probabilities whose logits are `scale` times those that the labels are drawn from."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(rows, classes))
    label = np.array([rng.choice(classes, p=softmax(row)) for row in logits])
    return softmax(scale * logits, axis=1).astype(np.float32), label


def likelihood(table, label, temperature):
    logits = np.log(np.maximum(table.astype(np.float64), SMALLEST)) / temperature
    return float(np.mean(logsumexp(logits, axis=1) - logits[np.arange(len(label)), label]))


def test_by_hand():
    """Nine to one where three of four are right: √9 to 1, with the entropy of (3/4, 1/4)."""
    table = [[0.9, 0.1]] * 4
    result = fit(table, [0, 0, 0, 1])
    assert result.temperature == pytest.approx(2, abs=1e-6)
    entropy = -0.75 * math.log(0.75) - 0.25 * math.log(0.25)
    assert likelihood(np.array(table), [0, 0, 0, 1], result.temperature) == pytest.approx(entropy, abs=1e-6)
    assert confidence(table, result).dtype == np.float32
    assert confidence(table, result).tolist() == pytest.approx([0.75] * 4, abs=1e-7)
    assert not result.is_at_limit


@pytest.mark.parametrize("scale", [0.02, 0.3, 1.0, 4.0, 40.0])
def test_equals_a_search_by_scipy(scale):
    table, label = answers(1, scale=scale)
    result = fit(table, label)
    best = minimize_scalar(
        lambda log_t: likelihood(table, label, math.exp(log_t)),
        bounds=(-7, 7),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert math.log(result.temperature) == pytest.approx(best.x, abs=1e-5)
    assert likelihood(table, label, result.temperature) == pytest.approx(best.fun, abs=1e-9)


def test_models_that_are_always_right_or_wrong_have_no_best_temperature():
    table = [[0.9, 0.1], [0.2, 0.8]]
    right, wrong = (fit(table, label) for label in ([0, 1], [1, 0]))
    assert right.is_at_limit
    assert right.temperature < 0.1
    assert confidence(table, right).tolist() == [1, 1]
    assert wrong.is_at_limit
    assert wrong.temperature == pytest.approx(1000, rel=1e-5)
    assert confidence(table, wrong) == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("table", [[[0.5, 0.5]] * 3, [[1.0]] * 3, [[1.0, 0.0]] * 3])
def test_answers_without_a_preferred_temperature_keep_theirs(table):
    result = fit(table, [0, 0, 0])
    assert (result.temperature, result.is_at_limit) == (1.0, False)
    assert confidence(table, result).tolist() == [table[0][0]] * 3


@pytest.mark.parametrize(
    ("table", "label"), [([[1, 0]] * 4, [0, 0, 0, 1]), ([[0.9, 0.1]] * 5, [0, 0, 0, 1, -1])]
)
def test_three_of_four_labelled_images_are_right(table, label):
    """A probability of 0 counts as the smallest number, and an image without a label is not fitted."""
    assert confidence(table, fit(table, label)) == pytest.approx(0.75, abs=1e-6)


def test_blocks_change_nothing_but_the_memory(monkeypatch):
    table, label = answers(3, rows=500, classes=10)
    whole = fit(table, label)
    monkeypatch.setattr(temperature, "BLOCK", 64)
    blocks = fit(table, label)
    assert blocks.temperature == pytest.approx(whole.temperature, rel=1e-12)
    np.testing.assert_array_equal(scale_probabilities(table, 2.0), softmax_at(table, 2.0))


@pytest.mark.parametrize("scale", [0.3, 3.0])
def test_large_tables_take_few_passes_to_the_same_temperature(monkeypatch, scale):
    table, label = answers(7, rows=temperature.LARGE, scale=scale)
    rows = []
    likelihood_of = temperature._likelihood
    monkeypatch.setattr(
        temperature, "_likelihood", lambda *given: rows.append(len(given[1])) or likelihood_of(*given)
    )
    large = fit(table, label)
    assert rows.count(len(label)) <= 4
    monkeypatch.setattr(temperature, "LARGE", len(label) + 1)
    small = fit(table, label)
    assert large.temperature == pytest.approx(small.temperature, rel=1e-9)
    assert not large.is_at_limit


def test_a_sample_of_right_answers_gives_no_start(monkeypatch):
    """Only the second image is wrong, which the sample lacks: its own search ends at the limit."""
    monkeypatch.setattr(temperature, "LARGE", 4)
    assert fit([[0.9, 0.1]] * 4, [0, 1, 0, 0]).temperature == pytest.approx(2, abs=1e-6)


def softmax_at(table, temperature):
    return softmax(np.log(table.astype(np.float64)) / temperature, axis=1).astype(np.float32)


@given(seed=st.integers(0, 10_000), factor=st.floats(0.2, 5))
@settings(max_examples=25, deadline=None)
def test_scaled_probabilities_are_those_of_divided_logits(seed, factor):
    table, _ = answers(seed, rows=20, classes=5)
    scaled = scale_probabilities(table, factor)
    np.testing.assert_allclose(scaled, softmax_at(table, factor), rtol=1e-6)
    assert (scaled.argmax(axis=1) == table.argmax(axis=1)).all()


def test_held_out_images_take_no_part_in_their_own_temperature():
    table, label = answers(5, rows=400)
    is_second = halves(label)
    scaled = scale_held_out(table, label, is_second)
    for half in (is_second, ~is_second):
        fitted = fit(table[~half], label[~half]).temperature
        np.testing.assert_array_equal(scaled[half], scale_probabilities(table[half], fitted))
    # Other labels of a half change the other half alone.
    other = np.where(is_second, np.roll(label, 1), label)
    changed = scale_held_out(table, other, is_second)
    np.testing.assert_array_equal(changed[is_second], scaled[is_second])
    assert not np.array_equal(changed[~is_second], scaled[~is_second])


@given(seed=st.integers(0, 10_000), n=st.integers(1, 80), groups=st.booleans())
@settings(max_examples=50, deadline=None)
def test_halves_are_balanced_and_keep_groups_together(seed, n, groups):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 4, n)
    group = rng.integers(0, 20, n) if groups else None
    is_second = halves(label, group)
    np.testing.assert_array_equal(is_second, halves(label, group))
    if group is None:
        for k in range(4):
            assert abs(int(is_second[label == k].sum()) - int((~is_second[label == k]).sum())) <= 1
    else:
        for one in set(group.tolist()):
            assert len(set(is_second[group == one].tolist())) == 1
        firsts = [is_second[group == one][0] for one in set(group.tolist())]
        assert abs(2 * sum(firsts) - len(firsts)) <= 1


def test_memory_is_bounded(monkeypatch):
    """A table of 80 MB takes less than 40 MB in addition."""
    monkeypatch.setattr(temperature, "MOST_STEPS", 2)
    rng = np.random.default_rng(0)
    table = np.tile(rng.dirichlet(np.ones(1000), size=500).astype(np.float32), (40, 1))
    label = rng.integers(0, 1000, len(table))
    tracemalloc.start()
    try:
        fit_temperature(table, label)
        assert tracemalloc.get_traced_memory()[1] < 40e6
    finally:
        tracemalloc.stop()


def table_of(seed, rows=40, classes=5):
    rng = np.random.default_rng(seed)
    table = rng.dirichlet(np.ones(classes), size=rows).astype(np.float32)
    return table, np.concatenate([np.arange(classes), rng.integers(0, classes, rows - classes)])


def test_scores_by_hand():
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
    monkeypatch.setattr(temperature, "BLOCK", 15)
    np.testing.assert_array_equal(brier_scores(table, label), whole)
