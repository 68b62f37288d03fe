"""Pairs of one picture: against a comparison of all pairs, and images that collide."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quba_check.suites.image_facts import ImageFacts
from quba_check.suites.near_pairs import MOST_BITS, TRAINING, is_one_picture, near_pairs

RNG = np.random.default_rng(5)


def facts(hashes: list[int]) -> ImageFacts:
    n = len(hashes)
    zeros = np.zeros(n, np.float32)
    phash = np.array(hashes, np.uint64)
    return ImageFacts(tuple(map(str, range(n))), phash, zeros, zeros, zeros.astype(np.int32))


def pairs(hashes: list[int], sets: list[int]) -> list[tuple[int, int]]:
    return sorted(
        map(tuple, near_pairs(facts(hashes), np.array(sets, np.int64), np.arange(len(sets))).tolist())
    )


def expected(hashes: list[int], sets: list[int]) -> list[tuple[int, int]]:
    return [
        (i, j)
        for i, j in combinations(range(len(hashes)), 2)
        if (hashes[i] ^ hashes[j]).bit_count() <= MOST_BITS and not sets[i] == sets[j] == TRAINING
    ]


@given(st.lists(st.tuples(st.integers(0, 64), st.integers(0, 63), st.integers(-1, 1)), max_size=40))
def test_the_pairs_are_those_of_a_comparison_of_all(images):
    # The first `bits` bits, rotated: distances of every size occur.
    hashes = [
        ((1 << bits) - 1 << turn | (1 << bits) - 1 >> 64 - turn) & 2**64 - 1 for bits, turn, _ in images
    ]
    sets = [number for *_, number in images]
    assert set(pairs(hashes, sets)) == set(expected(hashes, sets))


def test_each_bit_counts():
    assert pairs([0, 0b111111, 0b1111111, 1 << 63], [0] * 4) == [(0, 1), (0, 3), (1, 2)]


def test_training_images_are_not_compared_with_each_other():
    found = pairs([7] * 5, [0, 0, 1, TRAINING, TRAINING])
    assert found == [pair for pair in combinations(range(5), 2) if pair != (3, 4)]


def test_thousands_of_equal_hashes_have_few_pairs_that_connect_all():
    found = near_pairs(facts([2**63] * 3_000), np.zeros(3_000, np.int64), np.arange(3_000))
    assert len(found) <= 32 * 7 * 3_000
    assert {tuple(pair) for pair in found.tolist()} >= {(k, k + 1) for k in range(2_999)}


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        (np.full((4, 3), 0), np.full((4, 3), 2), True),  # flat, with noise
        (np.full((4, 3), 0), np.full((4, 3), 3), False),
        (np.full((4, 3), [255, 0, 0]), np.full((4, 3), [0, 0, 255]), False),  # flat, of other colours
        # A deviation of 50 from the mean allows a difference of 5.
        (
            np.repeat([[0], [100], [0], [100]], 3, axis=1),
            np.repeat([[5], [105], [5], [105]], 3, axis=1),
            True,
        ),
        (
            np.repeat([[0], [100], [0], [100]], 3, axis=1),
            np.repeat([[6], [106], [6], [106]], 3, axis=1),
            False,
        ),
    ],
)
def test_pixels_confirm(first, second, is_one):
    pair = first.astype(np.uint8)[None], second.astype(np.uint8)[None]
    assert is_one_picture(*pair).tolist() == [is_one]
