"""Linear filters in double precision that add in the order of the published sets' software.

Saving truncates values to whole steps. In a flat region a filter's weighted mean is a whole step up to
rounding, so that only the same order of additions gives the same step.
"""

from __future__ import annotations

import math
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from quba_check.suites.corruptions.strength import Image

Border = Literal["nearest", "reflect"]
_BAND = 32
"""Rows filtered at once: few enough to stay in the processor's cache."""

_BORDERS = {"nearest": cv2.BORDER_REPLICATE, "reflect": cv2.BORDER_REFLECT}


def gaussian_filter(image: Image, sigmas: tuple[float, float], border: Border, truncate: float) -> Image:
    """Apply a Gaussian filter down the columns, then along the rows.

    Args:
        image: (H, W) or (H, W, 3).
        sigmas: standard deviation in pixels down the columns and along the rows.
        border: outside the image: its edge repeated, or the image mirrored with its edge.
        truncate: the kernel reaches this many standard deviations, rounded.

    Returns:
        An array of the same shape, equal to scipy.ndimage's `gaussian_filter` to the last bit.
    """
    down, right = (_half_kernel(sigma, truncate) for sigma in sigmas)
    reach, height = len(down) - 1, image.shape[0]
    padded = _pad(image, (reach, reach, 0, 0), border)
    result = np.empty(image.shape)
    for first in range(0, height, _BAND):
        last = min(first + _BAND, height)
        rows = padded[first : last + 2 * reach]
        band = _weighted_sum([rows[k : k + last - first] for k in range(2 * reach + 1)], down)
        reach_right, width = len(right) - 1, image.shape[1]
        columns = _pad(band, (0, 0, reach_right, reach_right), border)
        shifted = [columns[:, k : k + width] for k in range(2 * reach_right + 1)]
        result[first:last] = _weighted_sum(shifted, right)
    return result


def _half_kernel(sigma: float, truncate: float) -> NDArray[np.float64]:
    """Weights of a Gaussian from its centre outwards."""
    reach = int(truncate * sigma + 0.5)
    weights = np.exp(-0.5 / (sigma * sigma) * np.arange(-reach, reach + 1) ** 2)
    return np.asarray(weights[reach:] / weights.sum(), dtype=np.float64)


def _pad(image: Image, pads: tuple[int, int, int, int], border: Border) -> Image:
    return np.asarray(cv2.copyMakeBorder(image, *pads, _BORDERS[border]), dtype=np.float64)


def _weighted_sum(shifted: list[Image], weights: NDArray[np.float64]) -> Image:
    """Sum shifted arrays with symmetric weights: centre first, then pairs from outside inwards."""
    middle = len(weights) - 1
    total = np.asarray(shifted[middle] * weights[0], dtype=np.float64)
    term = np.empty_like(total)
    for step in range(middle, 0, -1):
        np.add(shifted[middle - step], shifted[middle + step], out=term)
        term *= weights[step]
        total += term
    return total


def motion_filter(image: Image, radius: int, sigma: float, degrees: float) -> Image:
    """Apply the blur of a straight motion: Gaussian weights along a line of whole pixels.

    Args:
        image: (H, W) or (H, W, 3).
        radius: the line is 2 · radius + 1 steps long, shorter if it would leave a small image.
        sigma: of the Gaussian, in steps.
        degrees: direction of the camera, from the positive x axis, clockwise on the screen.

    Returns:
        An array of the same shape; outside the image its edge is repeated.
    """
    height, width = image.shape[:2]
    length = 2 * radius + 1
    weights = np.exp(-(np.arange(length) ** 2) / (2 * sigma**2)) / (np.sqrt(2 * np.pi) * sigma)
    weights /= np.sum(weights)
    steps = _steps(length, degrees)
    outside = np.flatnonzero((np.abs(steps) >= (height, width)).any(axis=1))
    steps = steps[: outside[0]] if len(outside) else steps
    reach = int(np.abs(steps).max())
    padded = _pad(image, (reach, reach, reach, reach), "nearest")
    total = np.zeros(image.shape)
    for first in range(0, height, _BAND):
        band = total[first : first + _BAND]
        term = np.empty_like(band)
        for weight, (down, right) in zip(weights, steps, strict=False):
            top, left = first + reach - down, reach - right
            np.multiply(padded[top : top + len(band), left : left + width], weight, out=term)
            band += term
    return total


def _steps(length: int, degrees: float) -> NDArray[np.int64]:
    """Return the shifts (length, 2) of the image down and right, in pixels."""
    y, x = length * np.sin(np.deg2rad(degrees)), length * np.cos(np.deg2rad(degrees))
    along = np.arange(length)[:, None] * np.array([y, x]) / math.hypot(y, x)
    return np.asarray(-np.ceil(along - 0.5), dtype=np.int64)
