"""Arrays in few bytes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from quba_check.records.compact import decode, encode


@settings(max_examples=30)
@given(st.lists(st.sampled_from([-0.3, 0.0, 0.1, 0.7]), min_size=1, max_size=60))
def test_few_values_come_back_as_they_were(values: list[float]) -> None:
    kept = encode(np.array(values))
    assert decode(kept.codes, kept.about).tolist() == values
    assert kept.codes.nbytes == ((len(values) + 7) // 8 if len(set(values)) <= 2 else len(values))


def test_many_values_keep_their_spread() -> None:
    values = np.random.default_rng(0).standard_t(4, 20_000)
    values -= values.mean()
    kept = encode(values)
    back = decode(kept.codes, kept.about)
    assert kept.codes.nbytes == 20_000
    assert abs(back.std() / values.std() - 1) < 0.005
    assert abs(back.mean()) < 1e-12


def test_sums_in_another_order_are_one_value() -> None:
    values = np.array([0.1 + 0.2, 0.3, -0.6, 0.3])
    assert len(encode(values).about["values"]) == 2
