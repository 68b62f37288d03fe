"""Plasma: a fractal height map, used for fog and frost."""

from __future__ import annotations

import numpy as np

from quba_check.suites.corruptions.strength import Plane

_LARGEST_STEP = 100.0


def plasma(shape: tuple[int, int], decay: float, rng: np.random.Generator) -> Plane:
    """A fractal height map by the diamond-square algorithm on a torus.

    As in the published software, an offset is half the range times a random number from the range, so that
    the range shrinks by the square of `decay` from one scale to the next.

    Args:
        shape: (H, W) to cut from the map, whose side is the next power of two.
        decay: roughness; larger is smoother.
        rng: source of the random offsets.

    Returns:
        (H, W) in [0, 1].
    """
    side = 1 << (max(shape) - 1).bit_length()
    field = np.zeros((1, 1))
    step = _LARGEST_STEP
    while field.shape[0] < side:
        field = _refine(field, step, rng)
        step /= decay
    lowest = field.min()
    heights: Plane = field[: shape[0], : shape[1]] - lowest
    heights /= (field.max() - lowest) or 1.0
    return heights


def _refine(field: Plane, step: float, rng: np.random.Generator) -> Plane:
    """Double the resolution of a field: centres of squares, then middles of sides."""
    count = field.shape[0]

    def middle(sum_of_four: Plane) -> Plane:
        offset = rng.uniform(-step, step, size=(count, count))
        offset *= step
        sum_of_four /= 4
        sum_of_four += offset
        return sum_of_four

    def pairs(plane: Plane, shift: int, axis: int) -> Plane:
        """Return the sums of neighbours; faster than with numpy's roll."""
        parts = (plane[shift:], plane[:shift]) if axis == 0 else (plane[:, shift:], plane[:, :shift])
        total = np.concatenate(parts, axis=axis)
        total += plane
        return total

    down = pairs(field, 1, axis=0)
    centre = middle(pairs(down, 1, axis=1))
    fine = np.empty((2 * count, 2 * count))
    fine[::2, ::2] = field
    fine[1::2, 1::2] = centre
    fine[::2, 1::2] = middle(pairs(centre, -1, axis=0) + pairs(field, 1, axis=1))
    fine[1::2, ::2] = middle(pairs(centre, -1, axis=1) + down)
    return fine
