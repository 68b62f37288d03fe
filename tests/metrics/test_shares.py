"""Wilson's interval against its definition and an independent computation."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from quba_check.metrics.shares import wilson_interval

CASES = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(CASES, st.floats(0.5, 0.999))
def test_as_scipy(case: tuple[int, int], confidence: float) -> None:
    count, n = case
    theirs = binomtest(count, n).proportion_ci(confidence, method="wilson")
    assert wilson_interval(count, n, confidence) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@given(CASES)
def test_its_ends_are_where_the_score_test_turns(case: tuple[int, int]) -> None:
    count, n = case
    for end in wilson_interval(count, n):
        if 0 < end < 1:
            z = (count / n - end) / math.sqrt(end * (1 - end) / n)
            assert abs(z) == pytest.approx(1.959964, abs=1e-4)


def test_none_and_all() -> None:
    assert wilson_interval(0, 10)[0] == 0.0
    assert wilson_interval(10, 10)[1] == 1.0
    assert wilson_interval(0, 10)[1] == pytest.approx(0.27753, abs=1e-5)
