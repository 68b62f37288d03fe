"""Digital: contrast, elastic transform, pixelate, JPEG compression."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image as Pillow

from quba_check.suites.corruptions.strength import Image8, Plane, Strength, stored, unit


def contrast(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:  # noqa: ARG001 - one signature
    """Values drawn towards the mean of each channel."""
    kept = np.float32(strength.of((0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05)))
    values = unit(image)
    mean = values.mean(axis=(0, 1), keepdims=True)
    return stored((values - mean) * kept + mean)


def elastic_transform(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    """Small regions stretched: a random affine map of three points, then a smooth random displacement."""
    push, smooth, skew = strength.of(
        ((0.04, 0.06, 0.02), (0.06, 0.05, 0.03), (0.08, 0.045, 0.04), (0.1, 0.04, 0.05), (0.12, 0.035, 0.06)),
        ((2.0, 0.7, 0.1), (2.0, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02)),
    )
    height, width = image.shape[:2]
    side = strength.side
    middle, third = np.array([width, height], dtype=np.float32) / 2, side / 3
    points = (middle + third * np.array([[1, 1], [1, -1], [-1, -1]])).astype(np.float32)
    moved = points + rng.uniform(-skew * side, skew * side, size=points.shape).astype(np.float32)
    values = cv2.warpAffine(
        unit(image), cv2.getAffineTransform(points, moved), (width, height), borderMode=cv2.BORDER_REFLECT_101
    )
    dx, dy = (_displacement((height, width), smooth * side, rng) * np.float32(push * side) for _ in range(2))
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    values = cv2.remap(values, x + dx, y + dy, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return stored(np.asarray(values, dtype=np.float32))


def pixelate(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:  # noqa: ARG001 - one signature
    """Averaged down to fewer pixels and enlarged again without smoothing."""
    factor = strength.of((0.95, 0.9, 0.85, 0.75, 0.65), (0.6, 0.5, 0.4, 0.3, 0.25))
    height, width = image.shape[:2]
    fewer = (max(1, int(width * factor)), max(1, int(height * factor)))
    reduced = Pillow.fromarray(image).resize(fewer, Pillow.Resampling.BOX)
    return np.array(reduced.resize((width, height), Pillow.Resampling.BOX))


def jpeg_compression(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:  # noqa: ARG001 - one signature
    """Saved as JPEG at a low quality."""
    quality = strength.of((80, 65, 58, 50, 40), (25, 18, 15, 10, 7))
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.array(Pillow.open(buffer))


def _displacement(shape: tuple[int, int], sigma: float, rng: np.random.Generator) -> Plane:
    field = rng.uniform(-1, 1, size=shape).astype(np.float32)
    reach = max(1, int(3 * sigma + 0.5))
    blurred = cv2.GaussianBlur(field, (2 * reach + 1, 2 * reach + 1), sigma, borderType=cv2.BORDER_REFLECT)
    return np.asarray(blurred, dtype=np.float32)
