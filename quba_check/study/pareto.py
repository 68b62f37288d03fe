"""Pareto front: the models that no other model beats in two qualities at once."""

from __future__ import annotations

from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the positions of the points that no other point dominates.

    A point dominates another if it is at least as good in both coordinates and better in one. Equal points do
    not dominate each other.

    Args:
        points: pairs of finite coordinates; higher is better in both.

    Returns:
        Positions by descending first coordinate; those of equal points in their order.

    >>> pareto_front([(1, 5), (2, 4), (2, 3), (3, 1)])
    [3, 1, 0]
    """
    order = sorted(range(len(points)), key=lambda k: (-points[k][0], -points[k][1]))
    front: list[int] = []
    for k in order:
        if not front or points[k][1] > points[front[-1]][1] or points[k] == points[front[-1]]:
            front.append(k)
    return front
