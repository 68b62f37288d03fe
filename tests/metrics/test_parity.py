"""Flips, changes of probabilities and their quantile."""

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from quba_check.metrics.parity import flip_masks, probability_changes, quantile


def test_kinds_of_flips_by_hand():
    """Right and right; right and wrong; wrong and right; two other wrong answers; the same wrong answer."""
    before = np.array([True, True, False, False, False])
    after = np.array([True, False, True, False, False])
    differs = np.array([False, True, True, True, False])
    assert {kind: mask.tolist() for kind, mask in flip_masks(before, after, differs).items()} == {
        "lost": [False, True, False, False, False],
        "gained": [False, False, True, False, False],
        "wrong to wrong": [False, False, False, True, False],
    }


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


@given(arrays.arrays(np.float32, (4, 3), elements=st.floats(0, 1, width=32)))
def test_changes_are_symmetric(table):
    other = table[::-1]
    assert np.array_equal(probability_changes(table, other), probability_changes(other, table))


@given(
    arrays.arrays(np.float32, st.integers(1, 50), elements=st.floats(0, 1, width=32)), st.floats(0.01, 0.99)
)
def test_the_quantile_is_the_smallest_value_that_covers_the_share(values, share):
    value = quantile(values, share)
    assert value in values
    assert np.mean(values <= value) >= share - 1e-9
    below = values[values < value]
    assert len(below) / len(values) < share + 1e-9
