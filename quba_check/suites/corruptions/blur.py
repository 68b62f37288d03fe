"""Blur: defocus, glass, motion, zoom; extra: Gaussian. With the filters behind them.

The motion is summed in single precision. The Gaussian behind glass is estimated in it, and decided in double
precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, reduce
from typing import Any, TypeVar

import cv2
import numpy as np
import scipy
from numpy.typing import NDArray

from quba_check.suites.corruptions.strength import LEVELS, Image8, Strength, to_float32, to_float64, to_uint8

Real = NDArray[np.floating]
PixelValue = TypeVar("PixelValue", np.uint8, np.float32)
Rounding = Callable[[Real], NDArray[PixelValue]]
Indices = NDArray[np.intp]
Exact = Callable[[Indices], NDArray[PixelValue]]
_EPSILON = float(np.finfo(np.float32).eps)
EPSILON = float(np.finfo(np.float64).eps)
_ROUNDING = 1e-3
"""More levels than the rounding errors of a motion in single precision add up to."""
_LARGEST = 129 if cv2.checkHardwareSupport(4) else 49
"""Weights of a motion's kernel; OpenCV filters with more by a slower Fourier transform. 4 stands for SSE3."""


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
    right = moves[::-1, ::-1, 0]
    down = moves[::-1, ::-1, 1]
    moved.reshape(height, width)[inner] += np.multiply(down, width, dtype=np.int32) + right
    chained = np.flatnonzero(moved > source)
    np.maximum(source, moved, out=source)
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
    blurred = motion_filter(image, radius, sigma, rng.uniform(-45, 45))
    # So that truncation leaves flat regions unchanged on every processor.
    blurred += _ROUNDING
    return blurred.astype(np.uint8)


def zoom_blur(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:  # noqa: ARG001 - one signature
    """A camera moving fast towards its object: the mean of the image's zooms."""
    stop, step = strength.parameters(
        ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
        ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
    )
    height, width = image.shape[:2]
    factors = np.arange(1, stop, step)
    zooms = [
        [_interpolation(side, math.ceil(side / factor), factor, "float32") for side in (height, width)]
        for factor in factors[1:]
    ]

    def blurred(plane: Image8) -> Image8:
        values = to_float32(plane)
        # The columns as rows, as `enlarge` has them halfway.
        total = cv2.transpose(values)
        rows = _turned(total)
        for down, right in zooms:
            total += (right @ _turned((down @ rows)[:height]))[:width]
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
    # Rows, then columns as rows: whole rows are added in a fraction of the time.
    down, right = (_interpolation(side, side, factor, middle.dtype.name) for side in middle.shape)
    return np.asarray(cv2.transpose(right @ _turned(down @ _turned(cv2.transpose(middle)))))


def _turned(image: Real) -> Real:
    """Return the columns of an image as rows, then their differences.

    Each difference is that to the next row, 0 for the last.
    """
    turned = np.empty((2, *image.shape[::-1]), image.dtype)
    cv2.transpose(image, dst=turned[0])
    np.subtract(turned[0, 1:], turned[0, :-1], out=turned[1, :-1])
    turned[1, -1] = 0
    return turned.reshape(-1, len(image))


@lru_cache(maxsize=512)
def _interpolation(size: int, length: int, factor: float, precision: str) -> Any:
    """Return a matrix that enlarges the middle of a line, for an array of `_turned`.

    Each pixel is the sum of its first neighbour and of a weighted difference to the second one: a flat region
    stays exactly what it is. Pixels outside of the middle are 0.

    Args:
        size: pixels of the line.
        length: pixels of the middle.
        factor: at least 1.
        precision: name of the type of the weights.
    """
    count = round(length * factor)
    position = np.arange(count) * ((length - 1) / (count - 1) if count > 1 else 0.0)
    first = np.minimum(position.astype(np.intp), length - 1)
    weights = np.stack([np.ones(count), position - first], axis=1).astype(precision)
    weights[position > length - 1] = 0
    columns = np.stack([first, first + size], axis=1) + (size - length) // 2
    rows = np.arange(0, 2 * count + 1, 2)
    return scipy.sparse.csr_array((weights.reshape(-1), columns.reshape(-1), rows), shape=(count, 2 * size))


def gaussian_blur(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:  # noqa: ARG001 - one signature
    """A Gaussian blur."""
    sigma = strength.parameters((0.4, 0.6, 0.7, 0.8, 1.0), (1.0, 2.0, 3.0, 4.0, 6.0))
    return to_uint8(scipy.ndimage.gaussian_filter(to_float64(image), sigma, mode="nearest", axes=(0, 1)))


def rounded(
    estimate: Real, error: float, to_pixels: Rounding[PixelValue], exact: Exact[PixelValue]
) -> NDArray[PixelValue]:
    """Return the pixels of a filtered image of which an estimate is known.

    Args:
        estimate: of any shape.
        error: largest difference between the estimate and the exact values.
        to_pixels: the rounding; it never decreases.
        exact: returns the pixels at flat positions. Called for those that the error leaves open.
    """
    pixels = to_pixels(estimate + error)
    positions = np.flatnonzero(pixels != to_pixels(estimate - error))
    if len(positions):
        pixels.reshape(-1)[positions] = exact(positions)
    return pixels


def gaussian_kernel(sigma: float, truncate: float) -> NDArray[np.float64]:
    """Return the weights of scipy's Gaussian filter, which ends at `truncate` standard deviations."""
    radius = int(truncate * sigma + 0.5)
    kernel = np.exp(-0.5 / sigma**2 * np.arange(-radius, radius + 1) ** 2)
    return np.asarray(kernel / kernel.sum())


def windows_at(positions: Indices, image: Image8 | Real, size: tuple[int, int], border: int) -> NDArray[Any]:
    """Return the windows (n, *size) around flat positions of an array, whose border is extended."""
    down = size[0] // 2
    right = size[1] // 2
    padded = cv2.copyMakeBorder(image, down, down, right, right, border)
    windows = np.lib.stride_tricks.sliding_window_view(padded, size, axis=(0, 1))
    return np.asarray(windows[np.unravel_index(positions, image.shape)])


def filtered_middles(windows: Real, kernels: Sequence[NDArray[np.float64]]) -> Real:
    """Return the middles of filtered windows.

    Args:
        windows: (n, h, w).
        kernels: those of the columns and of the rows; the filters are scipy's.
    """
    for kernel in kernels:  # the columns of each window, then the row that is left
        windows = scipy.ndimage.correlate1d(windows, kernel, axis=1)[:, len(kernel) // 2]
    return windows


def gaussian_filter(image: Image8, sigma: float) -> Image8:
    """Blur an image; the pixels are those of scipy's filter in double precision.

    Args:
        image: (H, W, 3) uint8.
        sigma: standard deviation in pixels; the filter ends at 4 standard deviations.
    """
    kernel = gaussian_kernel(sigma, 4.0)
    size = len(kernel)

    def nearer(positions: Indices) -> Image8:
        if len(positions) * size**2 > image.size:
            whole = scipy.ndimage.gaussian_filter(to_float64(image), sigma, mode="nearest", axes=(0, 1))
            return to_uint8(whole.reshape(-1)[positions])
        values = LEVELS.take(windows_at(positions, image, (size, size), cv2.BORDER_REPLICATE))

        def exact(left: Indices) -> Image8:
            return to_uint8(filtered_middles(values[left], (kernel, kernel)))

        return rounded(values @ kernel @ kernel, (2 * size + 4) * EPSILON, to_uint8, exact)

    single = kernel.astype(np.float32)
    estimate = cv2.sepFilter2D(image, cv2.CV_32F, single, single, borderType=cv2.BORDER_REPLICATE)
    return rounded(estimate, (size + 4) * _EPSILON * 255, lambda values: values.astype(np.uint8), nearer)


def motion_filter(image: Image8 | Real, radius: int, sigma: float, degrees: float) -> NDArray[np.float32]:
    """Apply the blur of a straight motion: Gaussian weights along a line of whole pixels.

    Args:
        image: (H, W) or (H, W, 3); outside the image its edge is repeated.
        radius: the line is 2 · radius + 1 steps long, shorter if it would leave a small image.
        sigma: of the Gaussian, in steps.
        degrees: direction of the camera, from the positive x axis, clockwise on the screen.

    Returns:
        (H, W) or (H, W, 3), in the range of the image.
    """
    height, width = image.shape[:2]
    length = 2 * radius + 1
    weights = np.exp(-(np.arange(length) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    steps = _steps(length, degrees)
    outside = np.flatnonzero((np.abs(steps) >= (height, width)).any(axis=1))
    steps = steps[: outside[0]] if len(outside) else steps
    reach = int(np.abs(steps).max())
    padded = cv2.copyMakeBorder(image.astype(np.float32), reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    blurred = np.zeros(image.shape, dtype=np.float32)
    first = 0
    while first < len(steps):
        boxes = (np.abs(steps[first:] - steps[first]) + 1).prod(axis=1)
        group = steps[first:][boxes <= _LARGEST]
        last = group.max(axis=0)
        kernel = np.zeros(last - group.min(axis=0) + 1, dtype=np.float32)
        np.add.at(kernel, tuple((last - group).T), weights[first : first + len(group)])
        top, left = reach - last
        part = padded[top : top + height + len(kernel), left : left + width + kernel.shape[1]]
        blurred += cv2.filter2D(part, -1, kernel, anchor=(0, 0))[:height, :width]
        first += len(group)
    return blurred


def _steps(length: int, degrees: float) -> NDArray[np.int64]:
    """Return the shifts (length, 2) of the image down and right, in pixels."""
    y, x = length * np.sin(np.deg2rad(degrees)), length * np.cos(np.deg2rad(degrees))
    along = np.arange(length)[:, None] * np.array([y, x]) / math.hypot(y, x)
    return np.asarray(-np.ceil(along - 0.5), dtype=np.int64)
