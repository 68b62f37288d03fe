"""Digital: contrast, elastic transform, pixelate, JPEG compression."""

from __future__ import annotations

import io

import cv2
import numpy as np
import scipy
from numpy.typing import NDArray
from PIL import Image as Pillow

from quba_check.suites.corruptions.strength import Image8, Strength, to_float32, to_float64, to_uint8

Float32 = NDArray[np.float32]
_LEVELS = to_float64(np.arange(256, dtype=np.uint8)).reshape(1, 256, 1)


def contrast(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:  # noqa: ARG001 - one signature
    """Values pulled towards the mean of each channel."""
    factor = strength.parameters((0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05))
    mean = to_float64(image).mean(axis=(0, 1), keepdims=True)
    table = to_uint8((_LEVELS - mean) * factor + mean)
    return np.asarray(cv2.LUT(image, table), dtype=np.uint8)


def elastic_transform(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    """Small regions stretched: pixels move by random distances that change smoothly."""
    smooth, push, times = strength.parameters(
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
        smoothed: NDArray[np.float64] = scipy.ndimage.gaussian_filter(
            field, (height * smooth, width * smooth), truncate=3.0
        )
        return (smoothed * times).astype(np.float32)

    across, down = displacement(), displacement()
    return to_uint8(warp(image, down, across))


def warp(image: Image8, down: Float32, across: Float32) -> Float32:
    """Give every pixel the value of another place, by linear interpolation; edges are mirrored.

    Args:
        image: (H, W, 3) uint8.
        down: (H, W), pixels from a pixel down to its source.
        across: (H, W), pixels from a pixel to the right to its source.

    Returns:
        (H, W, 3) float32 in [0, 1].
    """
    height, width = image.shape[:2]
    reach = int(np.ceil(max(np.abs(down).max(), np.abs(across).max()))) + 1
    planes = cv2.split(cv2.copyMakeBorder(to_float32(image), reach, reach, reach, reach, cv2.BORDER_REFLECT))
    y = np.arange(reach, reach + height, dtype=np.float64)[:, None] + down
    x = np.arange(reach, reach + width, dtype=np.float64) + across
    row, column = np.floor(y), np.floor(x)
    below, right = (y - row).astype(np.float32), (x - column).astype(np.float32)
    stride = planes[0].shape[1]
    position = (row * stride + column).astype(np.intp)
    corners = (position, position + 1, position + stride, position + stride + 1)

    def interpolate(plane: Float32) -> Float32:
        # In place, without temporary arrays.
        top, top_right, bottom, bottom_right = (plane.take(corner) for corner in corners)
        top_right -= top
        top_right *= right
        top += top_right
        bottom_right -= bottom
        bottom_right *= right
        bottom += bottom_right
        bottom -= top
        bottom *= below
        top += bottom
        return np.asarray(top, dtype=np.float32)

    return np.asarray(cv2.merge([interpolate(plane) for plane in planes]))


def pixelate(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:  # noqa: ARG001 - one signature
    """Averaged down to fewer pixels and enlarged again without smoothing."""
    factor = strength.parameters((0.95, 0.9, 0.85, 0.75, 0.65), (0.6, 0.5, 0.4, 0.3, 0.25))
    height, width = image.shape[:2]
    size = (max(1, int(width * factor)), max(1, int(height * factor)))
    reduced = Pillow.fromarray(image).resize(size, Pillow.Resampling.BOX)
    return np.array(reduced.resize((width, height), Pillow.Resampling.NEAREST))


def jpeg_compression(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:  # noqa: ARG001 - one signature
    """Saved as JPEG at a low quality."""
    return jpeg_round_trip(image, strength.parameters((80, 65, 58, 50, 40), (25, 18, 15, 10, 7)))


def jpeg_round_trip(image: Image8, quality: int) -> Image8:
    """Save an image as JPEG (4:2:0) and read it again."""
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.array(Pillow.open(buffer))
