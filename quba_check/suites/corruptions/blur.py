"""Blur: defocus, glass, motion, zoom."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from quba_check.suites.corruptions.strength import Image, Image8, Plane, Strength, stored, unit


def defocus_blur(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:  # noqa: ARG001 - one signature
    """A lens out of focus: a disc-shaped kernel, its rim softened."""
    radius, soft = strength.of(
        ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    )
    return stored(filtered(unit(image), _disc(radius, soft)))


def glass_blur(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    """Frosted glass: a slight blur, pixels swapped with near ones, and the blur again."""
    sigma, reach, rounds = strength.of(
        ((0.05, 1, 1), (0.25, 1, 2), (0.25, 2, 1), (0.4, 2, 2), (0.4, 3, 2)),
        ((0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    )
    blurred = _gaussian(unit(image), sigma)
    height, width = image.shape[:2]
    place = np.arange(height * width).reshape(height, width)
    for _ in range(rounds):
        _shuffle(place, reach, rng)
    return stored(_gaussian(blurred.reshape(-1, 3)[place], sigma))


def motion_blur(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    """A camera that moves while the shutter is open, in a direction within 45 degrees of the horizontal."""
    radius, sigma = strength.of(
        ((6, 1), (6, 1.5), (6, 2), (8, 2.5), (9, 3)),
        ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
    )
    return stored(filtered(unit(image), trail(radius, sigma, rng.uniform(-45, 45))))


def zoom_blur(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:  # noqa: ARG001 - one signature
    """A camera that moves fast towards its object: the mean of the image and of zooms of it."""
    step, count = strength.of(
        ((0.01, 6), (0.01, 11), (0.01, 16), (0.01, 21), (0.01, 26)),
        ((0.01, 11), (0.01, 16), (0.02, 11), (0.02, 13), (0.03, 11)),
    )
    original = unit(image)
    total = original.copy()
    for k in range(count):
        total += zoomed(original, 1 + k * step)
    return stored(total * np.float32(1 / (count + 1)))


def filtered(image: Image, kernel: Plane) -> Image:
    """The image under a linear filter, mirrored at its borders."""
    return np.asarray(cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT_101), dtype=np.float32)


def trail(radius: int, sigma: float, degrees: float) -> Plane:
    """Kernel of a motion: weights that fade (Gaussian) along a line from the centre outwards.

    Args:
        radius: the trail is 2 · radius + 1 pixels long.
        sigma: of the Gaussian, in pixels.
        degrees: direction, from the positive x axis, clockwise on the screen.

    Returns:
        Square kernel that sums to 1, each step of the trail spread over the four pixels around it.
    """
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    reach = 2 * radius + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), dtype=np.float64)
    x = reach + steps * np.cos(np.deg2rad(degrees))
    y = reach + steps * np.sin(np.deg2rad(degrees))
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    right, down = x - column, y - row
    for dy, dx, part in (
        (0, 0, (1 - down) * (1 - right)),
        (0, 1, (1 - down) * right),
        (1, 0, down * (1 - right)),
        (1, 1, down * right),
    ):
        place = np.minimum(row + dy, 2 * reach), np.minimum(column + dx, 2 * reach)
        np.add.at(kernel, place, weights * part)
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


def zoomed(image: Image, factor: float) -> Image:
    """The middle of the image, enlarged to the image's size by linear interpolation."""
    height, width = image.shape[:2]
    x, y = (1 - factor) * (width - 1) / 2, (1 - factor) * (height - 1) / 2
    matrix = np.array([[factor, 0, x], [0, factor, y]], dtype=np.float64)
    warped = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(warped, dtype=np.float32)


def _disc(radius: float, soft: float) -> Plane:
    reach = 8 if radius <= 8 else int(np.ceil(radius))
    steps = np.arange(-reach, reach + 1)
    inside = (steps[:, None] ** 2 + steps[None, :] ** 2 <= radius**2).astype(np.float32)
    size = 3 if radius <= 8 else 5
    softened = cv2.GaussianBlur(inside / inside.sum(), (size, size), soft)
    return np.asarray(softened, dtype=np.float32)


def _gaussian(image: Image, sigma: float) -> Image:
    reach = max(1, int(4 * sigma + 0.5))
    size = (2 * reach + 1, 2 * reach + 1)
    return np.asarray(cv2.GaussianBlur(image, size, sigma, borderType=cv2.BORDER_REPLICATE), dtype=np.float32)


def _shuffle(place: NDArray[np.int64], reach: int, rng: np.random.Generator) -> None:
    """Swap every inner pixel, in place, with one up to `reach` left or above and `reach - 1` right or below.

    One sweep takes all pixels that stand 2 · reach + 1 apart: their neighbourhoods are disjoint, so that the
    swaps of a sweep do not meet and can be made at once.
    """
    height, width = place.shape
    stride = 2 * reach + 1
    offsets = rng.integers(-reach, reach, size=(2, height, width))
    flat = place.reshape(-1)
    for first_row in range(reach, reach + stride):
        for first_column in range(reach, reach + stride):
            rows = np.arange(first_row, height - reach, stride)[:, None]
            columns = np.arange(first_column, width - reach, stride)[None, :]
            here = rows * width + columns
            there = here + offsets[0, rows, columns] * width + offsets[1, rows, columns]
            flat[here], flat[there] = flat[there], flat[here]
