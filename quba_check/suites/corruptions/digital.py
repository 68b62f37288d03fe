"""Digital: contrast, pixelate, JPEG compression."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image as Pillow

from quba_check.suites.corruptions.strength import Image8, Strength, stored, unit


def contrast(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:  # noqa: ARG001 - one signature
    """Values drawn towards the mean of each channel."""
    kept = strength.of((0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05))
    mean = unit(image).mean(axis=(0, 1), keepdims=True)
    table = stored((_LEVELS - mean) * kept + mean)
    return np.asarray(cv2.LUT(image, table), dtype=np.uint8)


def pixelate(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:  # noqa: ARG001 - one signature
    """Averaged down to fewer pixels and enlarged again without smoothing."""
    factor = strength.of((0.95, 0.9, 0.85, 0.75, 0.65), (0.6, 0.5, 0.4, 0.3, 0.25))
    height, width = image.shape[:2]
    fewer = (max(1, int(width * factor)), max(1, int(height * factor)))
    reduced = Pillow.fromarray(image).resize(fewer, Pillow.Resampling.BOX)
    return np.array(reduced.resize((width, height), Pillow.Resampling.NEAREST))


def jpeg_compression(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:  # noqa: ARG001 - one signature
    """Saved as JPEG at a low quality."""
    return through_jpeg(image, strength.of((80, 65, 58, 50, 40), (25, 18, 15, 10, 7)))


def through_jpeg(image: Image8, quality: int) -> Image8:
    """The image saved as JPEG (4:2:0) and read again."""
    buffer = io.BytesIO()
    Pillow.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.array(Pillow.open(buffer))


_LEVELS = unit(np.arange(256, dtype=np.uint8)).reshape(1, 256, 1)
