"""Decisions on groups: by hand, and next to a `groupby` of pandas."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.metrics.decided import DecidedGroups, MixedGroupError, decide, decide_by_any, slices_of_groups

examples = settings(deadline=None, derandomize=True, max_examples=80)
CLASSES = 4


def columns(images):
    """Groups, predicted classes, probabilities and right classes of images; eighths, so that sums tie."""
    group, weights, right = (np.array(column) for column in zip(*images, strict=True))
    table = (weights / 8).astype(np.float32)
    return group, table.argmax(axis=1), table, right


def images_with(right):
    weights = st.lists(st.integers(0, 8), min_size=CLASSES, max_size=CLASSES)
    return st.lists(st.tuples(st.integers(-3, 3), weights, right), min_size=1, max_size=30)


one_label = st.integers(-1, CLASSES - 1).map(lambda label: [label])
two_labels = st.permutations(range(CLASSES)).map(lambda order: order[:2]) | one_label.map(lambda a: [*a, -1])


def by_hand(rows, rule):
    return decide(DecidedGroups.of(np.zeros(len(rows), int)), rule, *columns(rows)[1:])


@given(images_with(one_label))
@examples
def test_decisions_equal_a_groupby_of_pandas(images):
    group, predicted, table, right = columns(images)
    groups = DecidedGroups.of(group)
    frame = pd.DataFrame(table.astype(np.float64)).assign(group=group)
    means = frame.groupby("group", sort=False).mean()
    assert group[groups.first].tolist() == means.index.tolist()
    assert (group[groups.first][groups.row_of] == group).all()

    label = right[groups.first][groups.row_of]  # all images of a group have the label of the first
    decided = decide(groups, "mean", predicted, table, label)
    assert decided.probabilities == pytest.approx(means.to_numpy(np.float32), abs=0)
    assert decided.predicted.tolist() == means.astype(np.float32).idxmax(axis=1).tolist()
    assert decided.confidence.tolist() == means.astype(np.float32).max(axis=1).tolist()
    wanted = [
        row[own] if own >= 0 else np.nan for row, own in zip(means.to_numpy(), decided.label, strict=True)
    ]
    assert decided.true_probability == pytest.approx(np.array(wanted, np.float32), abs=0, nan_ok=True)

    answers = pd.Series(predicted).groupby(group, sort=False)
    most = [
        max(votes.mode(), key=lambda one, name=name: (np.float32(means.loc[name, one]), -one))
        for name, votes in answers
    ]
    assert decide(groups, "majority", predicted, table, label).predicted.tolist() == most

    for number in range(CLASSES):
        decided = decide_by_any(groups, number, right[:, 0] == number, predicted, table)
        is_of = pd.Series(right[:, 0] == number).groupby(group, sort=False).any()
        is_called = (pd.Series(predicted) == number).groupby(group, sort=False).any()
        assert ((decided.label == number) == is_of).all()
        assert ((decided.predicted == number) == is_called).all()
        assert ((decided.label == decided.predicted) == (is_of == is_called)).all()
        largest = frame.groupby("group", sort=False)[number].max().to_numpy(np.float32)
        assert decided.probabilities[:, number].tolist() == largest.tolist()
        assert np.isnan(np.delete(decided.probabilities, number, axis=1)).all()


@given(images_with(two_labels), st.randoms())
@examples
def test_the_right_classes_are_those_that_all_images_share(images, random):
    width = max(len(right) for *_, right in images)
    images = [(group, table, [*right, -1][:width]) for group, table, right in images]
    group, predicted, table, right = columns(images)
    groups = DecidedGroups.of(group)
    sets = pd.Series([frozenset(row) - {-1} for row in right.tolist()]).groupby(group, sort=False)
    shared = sets.agg(lambda rows: frozenset.intersection(*rows)).tolist()
    mixed = [not some and any(rows) for some, (_, rows) in zip(shared, sets, strict=True)]
    if any(mixed):
        with pytest.raises(MixedGroupError) as caught:
            decide(groups, "mean", predicted, table, right)
        assert caught.value.first == groups.first[mixed.index(True)]
        return
    decided = decide(groups, "mean", predicted, table, right)
    rows = decided.label[:, None] if decided.acceptable is None else decided.acceptable
    assert [frozenset(row) - {-1} for row in rows.tolist()] == shared
    assert (rows[:, 0] == decided.label).all()
    assert ((rows[:, 1:] < 0) | (rows[:, :-1] >= 0)).all()  # padded at the end


@given(images_with(one_label), st.randoms(use_true_random=False))
@examples
def test_the_order_of_images_in_a_group_does_not_matter(images, random):
    images = [(group, table, [0]) for group, table, _ in sorted(images, key=lambda image: image[0])]
    shuffled = sorted(random.sample(images, len(images)), key=lambda image: image[0])
    for rule in ("mean", "majority"):
        one, other = (
            decide(DecidedGroups.of(group), rule, *rest) for group, *rest in map(columns, (images, shuffled))
        )
        assert one.predicted.tolist() == other.predicted.tolist()
        assert one.confidence.tobytes() == other.confidence.tobytes()


def test_each_rule_by_hand():
    """Two images are called 1 just so, the third is called 2 for sure."""
    rows = [(0, [2, 3, 2, 1], [1, 3]), (0, [2, 3, 2, 1], [3, 1]), (0, [0, 0, 8, 0], [1, -1])]
    mean = by_hand(rows, "mean")
    majority = by_hand(rows, "majority")
    assert (mean.predicted.tolist(), mean.confidence.tolist()) == ([2], [0.5])
    assert (mean.label.tolist(), mean.acceptable.tolist()) == ([1], [[1, -1]])
    assert mean.true_probability.tolist() == [0.25]
    assert mean.probabilities.tolist() == [np.float32([4 / 24, 0.25, 0.5, 2 / 24]).tolist()]
    assert (majority.predicted.tolist(), majority.probabilities) == ([1], None)
    assert np.isnan([majority.confidence, majority.true_probability]).all()


@pytest.mark.parametrize(
    ("first", "second", "mean", "majority"),
    [
        ([0, 4, 4, 0], [0, 4, 4, 0], 1, 1),  # both equally: the lower number
        ([0, 0, 5, 3], [4, 0, 0, 4], 3, 2),  # 0 and 2 have a vote each, and 2 the higher mean
        ([5, 0, 3, 0], [3, 0, 5, 0], 0, 0),  # equal votes and means
        ([0, 0, 3, 5], [0, 5, 3, 0], 2, 1),  # the most probable class has no vote
    ],
)
def test_ties_by_hand(first, second, mean, majority):
    rows = [(0, first, [0]), (0, second, [0])]
    assert by_hand(rows, "mean").predicted.tolist() == [mean]
    assert by_hand(rows, "majority").predicted.tolist() == [majority]


def test_means_that_differ_by_rounding_alone_tie():
    """In float64 the sums of 0.1, 0.2 and 0.3 depend on their order."""
    table = np.array([[0.3, 0.1], [0.2, 0.2], [0.1, 0.3]])
    assert table[:, 0].sum() < table[:, 1].sum()
    decided = decide(
        DecidedGroups.of(np.zeros(3, int)), "mean", table.argmax(axis=1), table, np.zeros((3, 1), int)
    )
    assert decided.predicted.tolist() == [0]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=12))
@examples
def test_slices_of_groups_equal_a_groupby_of_pandas(images):
    group, numbers = np.array(images).T
    groups = DecidedGroups.of(group)
    rows = pd.Series(numbers).groupby(group, sort=False)
    if (rows.nunique() == 1).all():
        assert slices_of_groups(groups, numbers).tolist() == rows.first().tolist()
        return
    with pytest.raises(MixedGroupError) as caught:
        slices_of_groups(groups, numbers)
    assert group[caught.value.first] == rows.nunique().gt(1).idxmax()
    assert caught.value.first == group.tolist().index(group[caught.value.first])
