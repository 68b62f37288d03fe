"""Zooms into the middle of an image by linear interpolation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class _Line:
    """Where the values of an enlarged line come from: two neighbours each, and how far towards the second."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    weight: NDArray[np.float64]
    outside: NDArray[np.intp]


def crop(size: int, factor: float) -> slice:
    """The middle part of a line that a zoom shows."""
    shown = math.ceil(size / factor)
    first = (size - shown) // 2
    return slice(first, first + shown)


def zoomed(middle: NDArray[np.floating], factor: float) -> NDArray[np.floating]:
    """An array enlarged along its first two axes by linear interpolation between its corners.

    A last line that rounding puts beyond the array is 0, as scipy.ndimage's `zoom` of order 1 has it.

    Args:
        middle: (h, w) or (h, w, 3).
        factor: at least 1.

    Returns:
        (round(h · factor), round(w · factor), …) of the same precision.

    >>> zoomed(np.array([[0.0, 1.0], [2.0, 3.0]]), 1.5)
    array([[0. , 0.5, 1. ],
           [1. , 1.5, 2. ],
           [2. , 2.5, 3. ]])
    """
    for axis in (0, 1):
        line = _line(middle.shape[axis], factor)
        middle = _interpolated(middle, line, axis)
    return middle


def _interpolated(image: NDArray[np.floating], line: _Line, axis: int) -> NDArray[np.floating]:
    first, second = image.take(line.first, axis=axis), image.take(line.second, axis=axis)
    # Rows as long as they are in memory, so that weights meet them without steps of three.
    lines = second.reshape(len(second), -1)
    weight = line.weight.astype(image.dtype)
    # The difference first: a flat region stays what it is.
    second -= first
    lines *= weight[:, None] if axis == 0 else weight.repeat(lines.shape[1] // len(weight))
    second += first
    second[(slice(None),) * axis + (line.outside,)] = 0
    return second


@lru_cache(maxsize=512)
def _line(size: int, factor: float) -> _Line:
    length = round(size * factor)
    at = np.arange(length) * ((size - 1) / (length - 1) if length > 1 else 0.0)
    first = np.minimum(at.astype(np.intp), size - 1)
    return _Line(
        first=first,
        second=np.minimum(first + 1, size - 1),
        weight=np.asarray(at - first, dtype=np.float64),
        outside=np.flatnonzero(at > size - 1),
    )
