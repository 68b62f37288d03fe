"""The filter of a straight motion, in double precision."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from quba_check.suites.corruptions.strength import Image

_BAND = 32
"""Rows filtered at once: few enough to stay in the processor's cache."""


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
    padded = cv2.copyMakeBorder(image, reach, reach, reach, reach, cv2.BORDER_REPLICATE).astype(np.float64)
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
