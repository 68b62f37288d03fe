"""Flips, agreement, discordance, changes of probabilities and their quantile."""

import itertools
from dataclasses import dataclass

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from scipy import stats

from quba_check.metrics.answer_pairs import (
    Discordance,
    PairedAnswers,
    flip_masks,
    group_sign_flip,
    mcnemar,
    probability_changes,
    quantile,
)


@dataclass
class Answers:
    predicted: np.ndarray
    correct: np.ndarray


def answers(label, predicted):
    return Answers(np.array(predicted), np.array(label) == np.array(predicted))


def test_pairs_by_hand():
    """Equal and right, lost, gained, wrong to wrong, equal and wrong."""
    label = [0, 0, 1, 1, 2]
    pairs = PairedAnswers(judged=answers(label, [0, 1, 1, 2, 0]), reference=answers(label, [0, 0, 2, 0, 0]))
    assert pairs.differs.tolist() == [False, True, True, True, False]
    rows = {kind: np.flatnonzero(mask).tolist() for kind, mask in pairs.flips.items()}
    assert rows == {"lost": [1], "gained": [2], "wrong to wrong": [3]}


def test_two_right_answers_that_differ_are_no_flip():
    """An image of two right classes."""
    right = np.array([True])
    pairs = PairedAnswers(Answers(np.array([0]), right), Answers(np.array([1]), right))
    assert pairs.differs.tolist() == [True]
    assert not any(mask.any() for mask in pairs.flips.values())


def test_discordance_by_hand():
    """Four images lost and one gained: 2 (1 + 5) / 32. Three groups, net -2, -2 and 1: 2 · 2 / 8."""
    before = np.array([True, True, True, True, False, True, False])
    after = np.array([False, False, False, False, True, True, False])
    assert Discordance.of(before, after) == Discordance(4, 1, pytest.approx(12 / 32))
    group = np.array([7, 7, 8, 8, 9, 9, 9])
    assert Discordance.of(before, after, group) == Discordance(4, 1, pytest.approx(1 / 2))
    assert Discordance.of(before, before) == Discordance(0, 0, 1.0)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_groups_of_one_image_have_the_discordance_of_images(rows):
    before, after = np.array(rows).T
    alone, grouped = (Discordance.of(before, after, group) for group in (None, np.arange(len(rows))))
    assert (alone.lost, alone.gained) == (grouped.lost, grouped.gained)
    assert alone.p == pytest.approx(grouped.p)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), min_size=1))
def test_each_other_answer_is_of_one_kind(rows):
    label, before, after = np.array(rows).T
    differs = before != after
    masks = flip_masks(before == label, after == label, differs)
    assert np.array_equal(np.sum(list(masks.values()), axis=0), differs)
    change = np.mean(after == label) - np.mean(before == label)
    assert np.isclose(change, masks["gained"].mean() - masks["lost"].mean())


def test_largest_change_of_a_class_by_hand():
    before = np.array([[0.5, 0.25, 0.25], [1, 0, 0]], np.float32)
    after = np.array([[0.25, 0.5, 0.25], [1, 0, 0]], np.float32)
    assert probability_changes(before, after).tolist() == [0.25, 0]


@given(
    arrays.arrays(np.float32, st.integers(1, 50), elements=st.floats(0, 1, width=32)), st.floats(0.01, 0.99)
)
def test_the_quantile_is_the_smallest_value_that_covers_the_share(values, share):
    value = quantile(values, share)
    assert value in values
    assert np.mean(values <= value) >= share - 1e-9
    below = values[values < value]
    assert len(below) / len(values) < share + 1e-9


counts = st.integers(0, 40)


@given(counts, counts)
def test_mcnemar_is_the_exact_binomial_test(lost: int, gained: int) -> None:
    expected = stats.binomtest(lost, lost + gained, 0.5).pvalue if lost + gained else 1.0
    assert mcnemar(lost, gained) == pytest.approx(expected)


@given(st.lists(st.integers(-4, 4), max_size=8))
def test_groups_flip_as_wholes(net: list[int]) -> None:
    sums = [sum(signs) for signs in itertools.product(*((-size, size) for size in net))]
    at_most, at_least = (np.mean([sign * one <= sign * sum(net) for one in sums]) for sign in (1, -1))
    assert group_sign_flip(np.array(net, np.int64)) == pytest.approx(min(1.0, 2 * min(at_most, at_least)))
