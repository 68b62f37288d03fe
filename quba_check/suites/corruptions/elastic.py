"""Elastic transform: small regions stretched."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from quba_check.suites.corruptions.filters import gaussian
from quba_check.suites.corruptions.strength import Image8, Strength, stored, unit32

Float32 = NDArray[np.float32]
Places = NDArray[np.intp]


def elastic_transform(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    """Every pixel fetched from a place nearby; the way there is random and changes smoothly."""
    smooth, push, times = strength.of(
        ((0.04, 0.02, 6.0), (0.04, 0.02, 9.0), (0.04, 0.02, 12.0), (0.04, 0.02, 15.0), (0.04, 0.02, 18.0)),
        (
            (0.01, 0.005, 12.5),
            (0.01, 0.005, 16.25),
            (0.01, 0.005, 21.25),
            (0.01, 0.005, 25.0),
            (0.01, 0.005, 30.0),
        ),
    )
    height, width = image.shape[:2]
    push *= height

    def displacement() -> Float32:
        field = rng.uniform(-push, push, size=(height, width))
        smoothed = gaussian(field, (height * smooth, width * smooth), "reflect", truncate=3.0)
        return (smoothed * times).astype(np.float32)

    across, down = displacement(), displacement()
    return stored(fetched(image, down, across))


def fetched(image: Image8, down: Float32, across: Float32) -> Float32:
    """Each pixel's value from another place, by linear interpolation; the image is mirrored at its edges.

    Args:
        image: (H, W, 3) uint8.
        down: (H, W), how far below a pixel its value is fetched.
        across: (H, W), how far to the right of it.

    Returns:
        (H, W, 3) float32 in [0, 1].
    """
    height, width = image.shape[:2]
    reach = int(np.ceil(max(np.abs(down).max(), np.abs(across).max()))) + 1
    planes = cv2.split(cv2.copyMakeBorder(unit32(image), reach, reach, reach, reach, cv2.BORDER_REFLECT))
    y = np.arange(reach, reach + height, dtype=np.float64)[:, None] + down
    x = np.arange(reach, reach + width, dtype=np.float64) + across
    row, column = np.floor(y), np.floor(x)
    below, right = (y - row).astype(np.float32), (x - column).astype(np.float32)
    stride = planes[0].shape[1]
    place = (row * stride + column).astype(np.intp)
    corners = (place, place + 1, place + stride, place + stride + 1)
    return np.asarray(cv2.merge([_interpolated(plane, corners, right, below) for plane in planes]))


def _interpolated(plane: Float32, corners: tuple[Places, ...], right: Float32, below: Float32) -> Float32:
    near, far, low, last = (plane.take(corner) for corner in corners)
    far -= near
    far *= right
    near += far
    last -= low
    last *= right
    low += last
    low -= near
    low *= below
    near += low
    return near
