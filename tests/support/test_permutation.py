import numpy as np
import pytest
from support.permutation import p_value, rejected


def test_holm_stops_at_the_first_that_is_kept() -> None:
    assert rejected({"a": 0.001, "b": 0.004, "c": 0.02, "d": 0.011}, 0.02) == ["a", "b"]
    assert rejected({"a": 0.006, "b": 0.006}, 0.01) == []
    assert rejected({}, 0.01) == []


def test_a_difference_is_found_and_none_is_not() -> None:
    rng = np.random.default_rng(0)
    same, other, shifted = rng.normal(size=50), rng.normal(size=50), rng.normal(2, 1, size=50)
    assert p_value(same, other) > 0.05
    assert p_value(same, shifted) == pytest.approx(2 / 20_000)
