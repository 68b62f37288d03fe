"""Blur: defocus, glass, motion, zoom; outside the fifteen Gaussian."""

from __future__ import annotations

import math
from functools import lru_cache, reduce
from typing import NamedTuple

import cv2
import numpy as np
import scipy
from numpy.typing import NDArray

from quba_check.suites.corruptions.filters import gaussian_filter, motion_filter
from quba_check.suites.corruptions.strength import Image8, Strength, to_float32, to_float64, to_uint8


def defocus_blur(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:  # noqa: ARG001 - one signature
    """A lens out of focus: a disc-shaped kernel, its rim softened."""
    radius, soft = strength.parameters(
        ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    )
    return to_uint8(np.asarray(cv2.filter2D(to_float64(image), -1, _disc(radius, soft)), dtype=np.float64))


def _disc(radius: float, soft: float) -> NDArray[np.float32]:
    reach = 8 if radius <= 8 else int(radius)
    steps = np.arange(-reach, reach + 1)
    inside = (steps[:, None] ** 2 + steps[None, :] ** 2 <= radius**2).astype(np.float32)
    inside /= inside.sum()
    size = 3 if radius <= 8 else 5
    return np.asarray(cv2.GaussianBlur(inside, (size, size), soft), dtype=np.float32)


def glass_blur(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    """The scene behind frosted glass: a slight blur, pixels moved around, the blur again."""
    sigma, reach, rounds = strength.parameters(
        ((0.05, 1, 1), (0.25, 1, 2), (0.25, 2, 1), (0.4, 2, 2), (0.4, 3, 2)),
        ((0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    )
    height, width = image.shape[:2]
    rows, columns = max(height - 2 * reach, 0), max(width - 2 * reach, 0)
    offsets = rng.integers(-reach, reach, size=(rounds, rows, columns, 2), dtype=np.int8)
    return shuffle_pixels(image, sigma, reach, offsets)


def shuffle_pixels(image: Image8, sigma: float, reach: int, offsets: NDArray[np.integer]) -> Image8:
    """Blur an image, move its pixels over short distances, and blur it again.

    Args:
        image: (H, W, 3) uint8.
        sigma: standard deviation of both blurs, in pixels.
        reach: largest move, in pixels.
        offsets: (rounds, H - 2 · reach, W - 2 · reach, 2), right and down, from the last pixel to the first.

    Returns:
        (H, W, 3) uint8.
    """
    height, width = image.shape[:2]
    source = reduce(np.take, (pixel_sources(height, width, reach, moves) for moves in offsets))
    # As pixels of four bytes.
    blurred = cv2.cvtColor(gaussian_filter(image, sigma), cv2.COLOR_RGB2RGBA).view(np.uint32)
    moved = blurred.take(source).view(np.uint8).reshape(height, width, 4)
    return gaussian_filter(cv2.cvtColor(moved, cv2.COLOR_RGBA2RGB), sigma)


def pixel_sources(height: int, width: int, reach: int, moves: NDArray[np.integer]) -> NDArray[np.intp]:
    """The source pixel of every pixel after one round of moves.

    The published software visits pixels from the last to the first and gives each the current colour of its
    neighbour. (A swap was intended, but both sides are views of one array.) A neighbour visited before has
    the colour of its own neighbour by then, so that colours travel along chains of pixels. All chains are
    followed at once, each step twice as far as the one before.

    Args:
        height: of the image, in pixels.
        width: of the image, in pixels.
        reach: pixels nearer than this to the first rows and columns, or nearer than `reach - 1` to the last,
            stay as they are.
        moves: (rows, columns, 2) of the other pixels, from the last to the first; right and down.

    Returns:
        (H · W,): for each pixel, row by row, the position of the pixel whose former colour it gets.
    """
    source = np.arange(height * width)
    inner = slice(reach + 1, height - reach + 1), slice(reach + 1, width - reach + 1)
    moved = source.copy()
    moved.reshape(height, width)[inner] += moves[::-1, ::-1, 1].astype(np.intp) * width + moves[::-1, ::-1, 0]
    chained = np.flatnonzero(moved > source)
    source[chained] = moved.take(chained)
    while len(chained):
        nearer = source.take(chained)
        further = source.take(nearer)
        source[chained] = further
        # Faster than a boolean index.
        chained = chained.take(np.flatnonzero(further != nearer))
    return np.asarray(moved.take(source), dtype=np.intp)


def motion_blur(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    """A camera that moves while the shutter is open, within 45 degrees of the horizontal."""
    radius, sigma = strength.parameters(
        ((6, 1), (6, 1.5), (6, 2), (8, 2.5), (9, 3)), ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))
    )
    return motion_filter(image, radius, sigma, rng.uniform(-45, 45), lambda values: values.astype(np.uint8))


def zoom_blur(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:  # noqa: ARG001 - one signature
    """A camera moving fast towards its object: the mean of the image's zooms."""
    stop, step = strength.parameters(
        ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
        ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
    )
    height, width = image.shape[:2]
    factors = np.arange(1, stop, step)

    def blurred(plane: Image8) -> Image8:
        values = to_float32(plane)
        # The columns as rows, as `enlarge` has them halfway.
        total = cv2.transpose(values)
        for factor in factors[1:]:
            middle = values[middle_slice(height, factor), middle_slice(width, factor)]
            turned = cv2.transpose(_interpolate(np.ascontiguousarray(middle), factor))
            total += _interpolate(turned, factor)[:width, :height]
        return to_uint8((values + cv2.transpose(total)) / np.float32(len(factors) + 1))

    return np.asarray(cv2.merge([blurred(plane) for plane in cv2.split(image)]), dtype=np.uint8)


def middle_slice(size: int, factor: float) -> slice:
    """The middle of a line of pixels, which a zoom enlarges to the whole line."""
    length = math.ceil(size / factor)
    first = (size - length) // 2
    return slice(first, first + length)


def enlarge(middle: NDArray[np.floating], factor: float) -> NDArray[np.floating]:
    """Enlarge an array by linear interpolation between its corners.

    A last line that rounding puts outside the array is 0, as in scipy.ndimage's `zoom` of order 1.

    Args:
        middle: (h, w).
        factor: at least 1.

    Returns:
        (round(h · factor), round(w · factor)) of the same precision.

    >>> enlarge(np.array([[0.0, 1.0], [2.0, 3.0]]), 1.5)
    array([[0. , 0.5, 1. ],
           [1. , 1.5, 2. ],
           [2. , 2.5, 3. ]])
    """
    for _ in range(2):
        # Rows, then columns as rows: whole rows are taken in a fraction of the time.
        middle = cv2.transpose(_interpolate(middle, factor))
    return middle


class _Line(NamedTuple):
    """Sources of an enlarged line: two neighbours per pixel, weight of the second."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    weight: NDArray[np.floating]
    outside: NDArray[np.intp]


def _interpolate(image: NDArray[np.floating], factor: float) -> NDArray[np.floating]:
    """Enlarge the columns of an image."""
    line = _line(len(image), factor, image.dtype.name)
    first, second = image.take(line.first, axis=0), image.take(line.second, axis=0)
    # The difference first: a flat region stays exactly what it is.
    second -= first
    second *= line.weight[:, None]
    second += first
    if len(line.outside):
        second[line.outside] = 0
    return second


@lru_cache(maxsize=512)
def _line(size: int, factor: float, precision: str = "float64") -> _Line:
    length = round(size * factor)
    position = np.arange(length) * ((size - 1) / (length - 1) if length > 1 else 0.0)
    first = np.minimum(position.astype(np.intp), size - 1)
    weight, outside = (position - first).astype(precision), np.flatnonzero(position > size - 1)
    return _Line(first, np.minimum(first + 1, size - 1), weight, outside)


def gaussian_blur(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:  # noqa: ARG001 - one signature
    """A Gaussian blur."""
    sigma = strength.parameters((0.4, 0.6, 0.7, 0.8, 1.0), (1.0, 2.0, 3.0, 4.0, 6.0))
    return to_uint8(scipy.ndimage.gaussian_filter(to_float64(image), sigma, mode="nearest", axes=(0, 1)))
