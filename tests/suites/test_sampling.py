"""A limit leaves a seeded choice that has each class's share."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.suites.sampling import WHOLE, SubsetSampler

LABELS = st.lists(st.integers(0, 5), min_size=1, max_size=60)


@settings(max_examples=60)
@given(LABELS, st.integers(1, 70), st.integers(0, 3))
def test_a_limit_takes_each_classs_share(labels: list[int], limit: int, seed: int) -> None:
    positions = SubsetSampler(limit, seed).positions(labels)
    assert len(positions) == min(limit, len(labels))
    assert (np.diff(positions) > 0).all()
    share = len(positions) / len(labels)
    for label in set(labels):
        taken = np.count_nonzero(np.array(labels)[positions] == label)
        # Its place among the others is known up to one image of each class.
        assert abs(taken - share * labels.count(label)) <= 2


@settings(max_examples=30)
@given(LABELS, st.integers(1, 60), st.integers(0, 3))
def test_a_smaller_limit_takes_some_of_what_a_larger_one_takes(labels: list[int], n: int, seed: int) -> None:
    assert set(SubsetSampler(n, seed).positions(labels)) <= set(SubsetSampler(n + 1, seed).positions(labels))


def test_without_a_limit_all_are_taken_in_order() -> None:
    assert WHOLE.positions([2, 0, 1]).tolist() == [0, 1, 2]


def test_another_seed_takes_others() -> None:
    labels = [number // 50 for number in range(1000)]
    positions = [SubsetSampler(100, seed).positions(labels) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(positions[0], positions[1])
    assert len(np.intersect1d(positions[0], positions[2])) < 30


def test_every_image_has_the_same_chance() -> None:
    labels = [0] * 10 + [1] * 30
    taken = np.zeros(40)
    for seed in range(2000):
        taken[SubsetSampler(8, seed).positions(labels)] += 1
    np.testing.assert_allclose(taken / 2000, 0.2, atol=0.04)


@settings(max_examples=40)
@given(LABELS, st.integers(1, 8), st.integers(0, 3))
def test_conditions_come_in_balanced_turn(labels: list[int], conditions: int, seed: int) -> None:
    turns = SubsetSampler(seed=seed).assign_conditions(labels, conditions)
    counts = np.bincount(turns, minlength=conditions)
    assert counts.max() - counts.min() <= 1
    for label in set(labels):
        of_class = np.bincount(turns[np.array(labels) == label], minlength=conditions)
        assert of_class.max() - of_class.min() <= 2


def test_one_condition_an_image_tells_nearly_what_all_tell() -> None:
    """Off from all 75 by at most 0.25 points at 50,000 images (root mean square), times √(50000/n)."""
    n, rng = 3000, np.random.default_rng(0)
    labels = np.repeat(np.arange(60), 50)
    # Images and conditions differ in how hard they are.
    hard = rng.normal(size=(n, 1)) + np.linspace(-2, 2, 75) + 0.5 * rng.normal(size=(n, 75))
    right = hard < 0.3
    errors = [
        right[np.arange(n), SubsetSampler(seed=seed).assign_conditions(labels, 75)].mean() - right.mean()
        for seed in range(200)
    ]
    assert np.sqrt(np.mean(np.square(errors))) < 0.0025 * np.sqrt(50_000 / n)
    assert abs(np.mean(errors)) < 0.001
