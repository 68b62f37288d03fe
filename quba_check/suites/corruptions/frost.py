"""Frost: ice on the pane in front of the scene."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from quba_check.suites.corruptions.frost_texture import PANES, pane
from quba_check.suites.corruptions.strength import SMALL, Image8, Strength

_MARGIN = 1.1
_SMALL_SCALE = 0.3 / SMALL
"""CIFAR-10-C and Tiny ImageNet-C shrink their textures to 0.2 and 0.3 for images of 32 and 64 pixels."""


def frost(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    """The scene through a part of a frozen pane."""
    scene, ice = strength.of(
        ((1, 0.2), (1, 0.3), (0.9, 0.45), (0.85, 0.55), (0.8, 0.65)),
        ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
    )
    height, width = image.shape[:2]
    glass = _glass(int(rng.integers(PANES)), height, width)
    top, left = (int(rng.integers(glass.shape[axis] - image.shape[axis])) for axis in (0, 1))
    return frosted(image, glass[top : top + height, left : left + width], scene, ice)


def frosted(image: Image8, glass: Image8, scene: float, ice: float) -> Image8:
    """The weighted sum of a scene and of the ice before it; both (H, W, 3) uint8."""
    return np.clip(scene * image.astype(np.float64) + ice * glass.astype(np.float64), 0, 255).astype(np.uint8)


def fitted(texture: Image8, height: int, width: int) -> Image8:
    """A texture in a size that goes with an image and covers it with a margin, as published."""
    side = min(height, width)
    natural = side * _SMALL_SCALE if side <= SMALL else 1.0
    factor = max(natural, height / texture.shape[0], width / texture.shape[1]) * _MARGIN
    size = int(np.ceil(texture.shape[1] * factor)), int(np.ceil(texture.shape[0] * factor))
    how = cv2.INTER_CUBIC if factor > 1 else cv2.INTER_AREA
    return np.asarray(cv2.resize(texture, size, interpolation=how), dtype=np.uint8)


@lru_cache(maxsize=2 * PANES)
def _glass(number: int, height: int, width: int) -> Image8:
    """A pane that is large enough for an image, fitted once."""
    return fitted(pane(number), height, width)
