"""Tests of paired differences, limits of unpaired ones."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from quba_check.metrics.answer_pairs import group_sign_flip, mcnemar
from quba_check.stats.intervals import unpaired_difference_limits, unpaired_ratio_limits

Z = np.array([-1.959964, 0.0, 1.959964])
counts = st.integers(0, 40)


@given(counts, counts)
def test_mcnemar_is_the_exact_binomial_test(lost: int, gained: int) -> None:
    expected = stats.binomtest(lost, lost + gained, 0.5).pvalue if lost + gained else 1.0
    assert mcnemar(lost, gained) == pytest.approx(expected)


@given(counts, counts)
def test_groups_of_one_image_have_mcnemars_p_value(lost: int, gained: int) -> None:
    net = np.array([-1] * lost + [1] * gained + [0], np.int64)
    assert group_sign_flip(net) == pytest.approx(mcnemar(lost, gained))


@given(st.lists(st.integers(-4, 4), max_size=8))
def test_groups_flip_as_wholes(net: list[int]) -> None:
    sums = [sum(signs) for signs in itertools.product(*((-size, size) for size in net))]
    at_most, at_least = (np.mean([sign * one <= sign * sum(net) for one in sums]) for sign in (1, -1))
    assert group_sign_flip(np.array(net, np.int64)) == pytest.approx(min(1.0, 2 * min(at_most, at_least)))


def test_normal_limits_add_in_squares() -> None:
    one, other = 0.5 + 0.03 * Z, 0.6 + 0.04 * Z
    assert unpaired_difference_limits(0.5, one, 0.6, other) == pytest.approx(0.1 + 0.05 * Z)


def test_ratios_add_in_squares_of_logarithms() -> None:
    one, other = 0.5 * np.exp(0.03 * Z), 0.6 * np.exp(0.04 * Z)
    assert unpaired_ratio_limits(0.5, one, 0.6, other) == pytest.approx(1.2 * np.exp(0.05 * Z))
