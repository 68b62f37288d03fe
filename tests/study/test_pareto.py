"""Pareto front against the definition."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quba_check.study.pareto import pareto_front

points = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=25)


def dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] >= other[0] and one[1] >= other[1] and one != other


@given(points)
def test_the_front_is_what_no_point_dominates(points: list[tuple[float, float]]) -> None:
    front = pareto_front(points)
    expected = {k for k, point in enumerate(points) if not any(dominates(other, point) for other in points)}
    assert set(front) == expected
    assert len(front) == len(expected)


@given(points)
def test_the_front_falls_from_right_to_left(points: list[tuple[float, float]]) -> None:
    front = [points[k] for k in pareto_front(points)]
    assert [point[0] for point in front] == sorted((point[0] for point in front), reverse=True)
    assert [point[1] for point in front] == sorted(point[1] for point in front)


def test_no_point() -> None:
    assert pareto_front([]) == []
