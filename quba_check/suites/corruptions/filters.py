"""Filters with uint8 results: estimated in single precision, decided in double precision."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import scipy
from numpy.typing import NDArray

from quba_check.suites.corruptions.strength import LEVELS, Image8, Plane, to_float64, to_uint8

Real = NDArray[np.floating]
Rounding = Callable[[Real], Image8]
Exact = Callable[[NDArray[np.intp]], Image8]
_EPSILON = float(np.finfo(np.float32).eps)
_LARGEST = 49
"""Weights of a motion's kernel; OpenCV filters with more by a Fourier transform, which takes longer."""


def rounded(estimate: Real, error: float, to_pixels: Rounding, exact: Exact) -> Image8:
    """Return the pixels of a filtered image of which an estimate is known.

    Args:
        estimate: of any shape.
        error: largest difference between the estimate and the exact values.
        to_pixels: the rounding; it never decreases.
        exact: returns the pixels at flat positions. Called for those that the error leaves open.
    """
    pixels = to_pixels(estimate + error)
    positions = np.flatnonzero(pixels != to_pixels(estimate - error))
    pixels.reshape(-1)[positions] = exact(positions)
    return pixels


def gaussian_filter(image: Image8, sigma: float) -> Image8:
    """Blur an image; the pixels are those of scipy's filter in double precision.

    Args:
        image: (H, W, 3) uint8.
        sigma: standard deviation in pixels; the filter ends at 4 standard deviations.
    """
    radius = int(4 * sigma + 0.5)
    size = 2 * radius + 1
    kernel = np.exp(-0.5 / sigma**2 * np.arange(-radius, radius + 1) ** 2)
    kernel = (kernel / kernel.sum()).astype(np.float32)

    def exact(positions: NDArray[np.intp]) -> Image8:
        if len(positions) * size**2 > image.size:
            whole = scipy.ndimage.gaussian_filter(to_float64(image), sigma, mode="nearest", axes=(0, 1))
            return to_uint8(whole.reshape(-1)[positions])
        padded = cv2.copyMakeBorder(image, radius, radius, radius, radius, cv2.BORDER_REPLICATE)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(0, 1))
        values = LEVELS.take(windows[np.unravel_index(positions, image.shape)])
        for _ in range(2):  # the columns of each window, then the row that is left
            values = scipy.ndimage.gaussian_filter1d(values, sigma, axis=1)[:, radius]
        return to_uint8(values)

    estimate = cv2.sepFilter2D(image, cv2.CV_32F, kernel, kernel, borderType=cv2.BORDER_REPLICATE)
    return rounded(estimate, (size + 4) * _EPSILON * 255, lambda values: values.astype(np.uint8), exact)


def motion_filter(
    image: Image8 | Plane, radius: int, sigma: float, degrees: float, to_pixels: Rounding
) -> Image8:
    """Apply the blur of a straight motion: Gaussian weights along a line of whole pixels.

    The pixels are those of sums in double precision.

    Args:
        image: (H, W) or (H, W, 3); outside the image its edge is repeated.
        radius: the line is 2 · radius + 1 steps long, shorter if it would leave a small image.
        sigma: of the Gaussian, in steps.
        degrees: direction of the camera, from the positive x axis, clockwise on the screen.
        to_pixels: the rounding; it never decreases.

    Returns:
        An array of the same shape.
    """
    height, width = image.shape[:2]
    length = 2 * radius + 1
    weights = np.exp(-(np.arange(length) ** 2) / (2 * sigma**2)) / (np.sqrt(2 * np.pi) * sigma)
    weights /= np.sum(weights)
    steps = _steps(length, degrees)
    outside = np.flatnonzero((np.abs(steps) >= (height, width)).any(axis=1))
    steps = steps[: outside[0]] if len(outside) else steps
    reach = int(np.abs(steps).max())
    padded = cv2.copyMakeBorder(image, reach, reach, reach, reach, cv2.BORDER_REPLICATE)

    def exact(positions: NDArray[np.intp]) -> Image8:
        y, x, *channel = np.unravel_index(positions, image.shape)
        here = np.ravel_multi_index((y + reach, x + reach, *channel), padded.shape)
        offsets = (steps @ [padded.shape[1], 1]) * padded[0, 0].size
        # Added one after another, unlike numpy's sum; in parts, since a flat image has many positions.
        parts = np.array_split(here, len(here) // 4096 + 1)
        terms = (padded.take(part - offsets[:, None]) * weights[: len(steps), None] for part in parts)
        return to_pixels(np.concatenate([np.add.accumulate(term)[-1] for term in terms]))

    single = padded.astype(np.float32)
    estimate = np.zeros(image.shape, dtype=np.float32)
    first = 0
    while first < len(steps):
        boxes = (np.abs(steps[first:] - steps[first]) + 1).prod(axis=1)
        group = steps[first:][boxes <= _LARGEST]
        last = group.max(axis=0)
        kernel = np.zeros(last - group.min(axis=0) + 1, dtype=np.float32)
        np.add.at(kernel, tuple((last - group).T), weights[first : first + len(group)])
        top, left = reach - last
        part = single[top : top + height + len(kernel), left : left + width + kernel.shape[1]]
        estimate += cv2.filter2D(part, -1, kernel, anchor=(0, 0))[:height, :width]
        first += len(group)
    return rounded(estimate, (length + 8) * _EPSILON / 2 * float(single.max()), to_pixels, exact)


def _steps(length: int, degrees: float) -> NDArray[np.int64]:
    """Return the shifts (length, 2) of the image down and right, in pixels."""
    y, x = length * np.sin(np.deg2rad(degrees)), length * np.cos(np.deg2rad(degrees))
    along = np.arange(length)[:, None] * np.array([y, x]) / math.hypot(y, x)
    return np.asarray(-np.ceil(along - 0.5), dtype=np.int64)
