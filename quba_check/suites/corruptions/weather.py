"""Weather: snow, frost, fog, brightness; extra: spatter."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import scipy
from numpy.typing import NDArray

from quba_check.suites.corruptions.blur import enlarge, middle_slice, motion_filter
from quba_check.suites.corruptions.frost_texture import N_TEXTURES, frost_texture, plasma
from quba_check.suites.corruptions.strength import (
    LEVELS,
    SMALL,
    Image8,
    Strength,
    to_float32,
    to_float64,
    to_uint8,
)

_WATER = np.array([175, 238, 238], np.float32) / np.float32(255)
_MUD = np.array([63, 42, 20]) / 255.0
_MARGIN = 1.1
_SMALL_SCALE = 0.3 / SMALL
"""CIFAR-10-C and Tiny ImageNet-C shrink their textures to 0.2 and 0.3 for images of 32 and 64 pixels."""


def snow(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    """A whitened scene and flakes that fall across it, some near and some far."""
    mean, spread, zoom, threshold, radius, sigma, colour = strength.parameters(
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
    rows, columns = middle_slice(height, zoom), middle_slice(width, zoom)
    # Only the middle of the layer is visible after the zoom.
    drops = rng.normal(mean, spread, size=(rows.stop - rows.start, columns.stop - columns.start))
    flakes = enlarge(drops, zoom)
    flakes *= flakes >= threshold
    falling = motion_filter(np.clip(flakes, 0, 1), radius, sigma, rng.uniform(-135, -45))
    layer = np.round(falling[:height, :width] * 255).astype(np.uint8)
    return add_snow(image, layer, colour)


def add_snow(image: Image8, layer: NDArray[np.uint8], colour: float) -> Image8:
    """Whiten a scene and add flakes: a layer, and that layer rotated by 180 degrees.

    Args:
        image: (H, W, 3) uint8.
        layer: (H, W) uint8.
        colour: share of the original scene, in [0, 1]; the rest is whitened.
    """
    planes = [to_float32(plane) for plane in cv2.split(image)]
    grey = cv2.cvtColor(cv2.merge(planes), cv2.COLOR_RGB2GRAY) * np.float32(1.5) + np.float32(0.5)
    flakes = to_float64(layer)
    rotated = to_float64(cv2.flip(layer, -1))

    def snowy(values: NDArray[np.float32]) -> Image8:
        white = np.maximum(values, grey)
        white *= np.float32(1 - colour)
        values *= np.float32(colour)
        values += white
        total = values.astype(np.float64)
        total += flakes
        total += rotated
        return to_uint8(total)

    return np.asarray(cv2.merge([snowy(plane) for plane in planes]), dtype=np.uint8)


def frost(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    """The scene through a part of a frozen pane."""
    scene_weight, ice_weight = strength.parameters(
        ((1, 0.2), (1, 0.3), (0.9, 0.45), (0.85, 0.55), (0.8, 0.65)),
        ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
    )
    height, width = image.shape[:2]
    texture = _texture_for(int(rng.integers(N_TEXTURES)), height, width)
    top, left = (int(rng.integers(texture.shape[axis] - image.shape[axis])) for axis in (0, 1))
    return add_frost(image, texture[top : top + height, left : left + width], scene_weight, ice_weight)


def add_frost(image: Image8, ice: Image8, scene_weight: float, ice_weight: float) -> Image8:
    """Add weighted ice to a weighted scene; both are (H, W, 3) uint8."""
    return _frost_table(scene_weight, ice_weight).take(image.astype(np.uint16) << 8 | ice)


@lru_cache(maxsize=16)
def _frost_table(scene_weight: float, ice_weight: float) -> NDArray[np.uint8]:
    """Return sums by position 256 · (scene's value) + (ice's value)."""
    values = np.arange(256.0)
    total = scene_weight * values[:, None] + ice_weight * values
    return np.minimum(total, 255).astype(np.uint8).reshape(-1)


@lru_cache(maxsize=2 * N_TEXTURES)
def _texture_for(number: int, height: int, width: int) -> Image8:
    return resize_texture(frost_texture(number), height, width)


def resize_texture(texture: Image8, height: int, width: int) -> Image8:
    """Scale a texture to cover an image with a margin, as published."""
    side = min(height, width)
    natural = side * _SMALL_SCALE if side <= SMALL else 1.0
    factor = max(natural, height / texture.shape[0], width / texture.shape[1]) * _MARGIN
    size = int(np.ceil(texture.shape[1] * factor)), int(np.ceil(texture.shape[0] * factor))
    interpolation = cv2.INTER_CUBIC if factor > 1 else cv2.INTER_AREA
    return np.asarray(cv2.resize(texture, size, interpolation=interpolation), dtype=np.uint8)


def fog(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    """Plasma clouds over the scene, which keeps its brightest value."""
    density, decay = strength.parameters(
        ((0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75)),
        ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4)),
    )
    brightest = LEVELS[image.max()]
    clouds = density * plasma(image.shape[:2], decay, rng)

    def foggy(plane: Image8) -> Image8:
        values = to_float64(plane)
        values += clouds
        if brightest < 1:
            values *= brightest
        values /= brightest + density
        return to_uint8(values)

    return np.asarray(cv2.merge([foggy(plane) for plane in cv2.split(image)]), dtype=np.uint8)


def brightness(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:  # noqa: ARG001 - one signature
    """The value of HSV raised, hue and saturation unchanged."""
    increase = strength.parameters((0.05, 0.1, 0.15, 0.2, 0.3), (0.1, 0.2, 0.3, 0.4, 0.5))
    red, green, blue = planes = cv2.split(image)
    row = cv2.max(cv2.max(red, green), blue).astype(np.uint16) << 8
    return np.asarray(cv2.merge([_brightness_table(increase).take(row | plane) for plane in planes]))


@lru_cache(maxsize=16)
def _brightness_table(increase: float) -> NDArray[np.uint8]:
    """Return new values by position 256 · (pixel's largest value) + (channel's value).

    Hue and saturation are ratios: all values grow by the factor of their maximum; black turns grey.
    """
    value = LEVELS
    largest = LEVELS[:, None]
    raised = np.clip(largest + increase, 0, 1)
    saturation = (largest - value) / np.where(largest > 0, largest, 1)
    return to_uint8(raised * (1 - saturation)).reshape(-1)


def spatter(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    """Drops on the lens: water at low severities, mud at high ones."""
    mean, spread, sigma, threshold, amount, is_mud = strength.parameters(
        (
            (0.62, 0.1, 0.7, 0.7, 0.5, False),
            (0.65, 0.1, 0.8, 0.7, 0.5, False),
            (0.65, 0.3, 1.0, 0.69, 0.5, False),
            (0.65, 0.1, 0.7, 0.69, 0.6, True),
            (0.65, 0.1, 0.5, 0.68, 0.6, True),
        ),
        (
            (0.65, 0.3, 4.0, 0.69, 0.6, False),
            (0.65, 0.3, 3.0, 0.68, 0.6, False),
            (0.65, 0.3, 2.0, 0.68, 0.5, False),
            (0.65, 0.3, 1.0, 0.65, 1.5, True),
            (0.67, 0.4, 1.0, 0.65, 1.5, True),
        ),
    )
    drops = rng.normal(mean, spread, size=image.shape[:2])
    liquid = scipy.ndimage.gaussian_filter(drops, sigma, mode="nearest")
    liquid[liquid < threshold] = 0
    values = to_float32(image)
    if not is_mud:
        water = _shaded((liquid * 255).astype(np.uint8)) * np.float32(amount)
        return to_uint8(values + water[..., None] * _WATER)
    covered = (liquid > threshold).astype(np.float64)
    mud = scipy.ndimage.gaussian_filter(covered, amount, mode="nearest")
    mud[mud < 0.8] = 0
    scene = values * (1 - mud[..., None]).astype(np.float32)
    return to_uint8(scene + mud[..., None] * _MUD)


def _shaded(liquid: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the opacity of water: brighter towards one side of each drop, at most 1."""
    distance = cv2.distanceTransform(255 - cv2.Canny(liquid, 50, 150), cv2.DIST_L2, 5)
    rounded = cv2.blur(np.minimum(distance, np.float32(20)), (3, 3)).astype(np.uint8)
    relief = cv2.filter2D(cv2.equalizeHist(rounded), cv2.CV_8U, _RELIEF)
    shade = liquid * cv2.blur(relief, (3, 3)).astype(np.float32)
    brightest = shade.max()
    return np.asarray(shade / brightest if brightest else shade, dtype=np.float32)


_RELIEF = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
