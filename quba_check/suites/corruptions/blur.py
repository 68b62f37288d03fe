"""Blur: defocus, motion, zoom."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from quba_check.suites.corruptions.filters import trail
from quba_check.suites.corruptions.strength import Image8, Strength, stored, unit, unit32
from quba_check.suites.corruptions.zoom import crop, zoomed


def defocus_blur(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:  # noqa: ARG001 - one signature
    """A lens out of focus: a disc-shaped kernel, its rim softened."""
    radius, soft = strength.of(
        ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    )
    return stored(np.asarray(cv2.filter2D(unit(image), -1, _disc(radius, soft)), dtype=np.float64))


def motion_blur(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    """A camera that moves while the shutter is open, in a direction within 45 degrees of the horizontal."""
    radius, sigma = strength.of(
        ((6, 1), (6, 1.5), (6, 2), (8, 2.5), (9, 3)),
        ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    )
    blurred = trail(image.astype(np.float64), radius, sigma, rng.uniform(-45, 45))
    return np.clip(blurred, 0, 255).astype(np.uint8)


def zoom_blur(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:  # noqa: ARG001 - one signature
    """A camera that moves fast towards its object: the mean of the image and of zooms of it."""
    stop, step = strength.of(
        ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
        ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
    )
    factors = np.arange(1, stop, step)
    values = unit32(image)
    height, width = image.shape[:2]
    total = np.zeros_like(values)
    for factor in factors:
        middle = values[crop(height, factor), crop(width, factor)]
        total += zoomed(middle, float(factor))[:height, :width]
    return stored((values + total) / np.float32(len(factors) + 1))


def _disc(radius: float, soft: float) -> NDArray[np.float32]:
    reach = 8 if radius <= 8 else int(radius)
    steps = np.arange(-reach, reach + 1)
    inside = (steps[:, None] ** 2 + steps[None, :] ** 2 <= radius**2).astype(np.float32)
    inside /= inside.sum()
    size = 3 if radius <= 8 else 5
    return np.asarray(cv2.GaussianBlur(inside, (size, size), soft), dtype=np.float32)
