"""Weather: snow, fog, brightness."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from quba_check.suites.corruptions.filters import trail
from quba_check.suites.corruptions.plasma import plasma
from quba_check.suites.corruptions.strength import Image, Image8, Plane, Strength, stored, unit, unit32
from quba_check.suites.corruptions.zoom import crop, zoomed


def snow(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    """A whitened scene and flakes that fall across it, some near and some far."""
    mean, spread, zoom, threshold, radius, sigma, kept = strength.of(
        (
            (0.1, 0.2, 1.0, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1.0, 0.5, 10, 4, 0.9),
            (0.2, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
        (
            (0.1, 0.3, 3.0, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2.0, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4.0, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
    )
    height, width = image.shape[:2]
    rows, columns = crop(height, zoom), crop(width, zoom)
    # Only the middle of the layer is looked at, so only that is drawn.
    drops = rng.normal(mean, spread, size=(rows.stop - rows.start, columns.stop - columns.start))
    flakes = zoomed(drops, zoom)
    flakes[flakes < threshold] = 0
    layer = trail(np.clip(flakes, 0, 1), radius, sigma, rng.uniform(-135, -45))
    return snowed(image, np.round(layer[:height, :width] * 255).astype(np.uint8), kept)


def snowed(image: Image8, layer: NDArray[np.uint8], kept: float) -> Image8:
    """A scene in snow light behind a layer of flakes and the same layer turned by half a turn.

    Args:
        image: (H, W, 3) uint8.
        layer: (H, W) uint8.
        kept: share of the scene that is not whitened.
    """
    values = unit32(image)
    grey = cv2.cvtColor(values, cv2.COLOR_RGB2GRAY) * np.float32(1.5) + np.float32(0.5)
    white = np.maximum(values, _in_colour(grey))
    whitened = np.float32(kept) * values + np.float32(1 - kept) * white
    light = _in_colour(layer / 255.0)
    return stored(whitened + light + light[::-1, ::-1])


def _in_colour(plane: Plane) -> Image:
    return np.asarray(cv2.merge([plane, plane, plane]))


def fog(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    """Plasma clouds over the scene, which keeps its brightest value."""
    density, decay = strength.of(
        ((0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75)),
        ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4)),
    )
    values = unit(image)
    brightest = values.max()
    values += density * plasma(image.shape[:2], decay, rng)[..., None]
    values *= brightest
    values /= brightest + density
    return stored(values)


def brightness(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:  # noqa: ARG001 - one signature
    """The value of HSV raised, hue and saturation kept."""
    more = strength.of((0.05, 0.1, 0.15, 0.2, 0.3), (0.1, 0.2, 0.3, 0.4, 0.5))
    largest = np.maximum(np.maximum(image[..., 0], image[..., 1]), image[..., 2])
    place = (largest.astype(np.uint16) << 8)[..., None] | image
    return _raised(more).take(place)


@lru_cache(maxsize=16)
def _raised(more: float) -> NDArray[np.uint8]:
    """For a pixel's largest value and any of its values, at 256 · largest + value, what becomes of it.

    Hue and saturation are ratios: all values grow by the factor of their maximum; black turns grey.
    """
    value = unit(np.arange(256, dtype=np.uint8))
    largest = value[:, None]
    raised = np.clip(largest + more, 0, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        saturation = np.where(largest > 0, (largest - value) / largest, 0)
    return stored(raised * (1 - saturation)).reshape(-1)
