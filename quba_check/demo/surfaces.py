"""Textures and backgrounds, one of each for every class.

A texture is a pattern in any two colours. A background is a field of one hue without a pattern. So texture,
background and shape are three different cues: pattern, hue and outline.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from quba_check.demo import CLASSES, IMAGE_SIZE

Plane = NDArray[np.float32]
Colour = NDArray[np.float32]
ColourImage = NDArray[np.float32]

_GRID = np.arange(IMAGE_SIZE, dtype=np.float32) - (IMAGE_SIZE - 1) / 2
Waves = Callable[[Plane, Plane, np.random.Generator], Any]


def _stripes(u: Plane, _v: Plane, _rng: np.random.Generator) -> Any:
    return np.sin(u)


def _rings(u: Plane, v: Plane, _rng: np.random.Generator) -> Any:
    return np.sin(np.hypot(u, v))


def _checks(u: Plane, v: Plane, _rng: np.random.Generator) -> Any:
    return np.sin(u * 0.8) * np.sin(v * 0.8) * 2


def _dots(u: Plane, v: Plane, _rng: np.random.Generator) -> Any:
    return np.cos(u * 0.9) + np.cos(v * 0.9) - 0.75


def _grid(u: Plane, v: Plane, _rng: np.random.Generator) -> Any:
    return 0.75 - np.maximum(np.cos(u * 0.8), np.cos(v * 0.8))


def _waves(u: Plane, v: Plane, _rng: np.random.Generator) -> Any:
    return np.sin(u + 1.9 * np.sin(v * 0.55))


def _bricks(u: Plane, v: Plane, _rng: np.random.Generator) -> Any:
    odd_row = np.floor(v * 0.5 / np.pi) % 2
    across = np.cos(v * 0.5)
    along = np.cos(u * 0.25 + odd_row * (np.pi / 2))
    return 0.8 - 1.6 * np.maximum(np.abs(across) ** 8, np.abs(along) ** 16)


def _grain(_u: Plane, _v: Plane, rng: np.random.Generator) -> Plane:
    side = IMAGE_SIZE // 2
    coarse: Plane = rng.random((side, side)).astype(np.float32) * 3 - 1.5
    return coarse.repeat(2, axis=0).repeat(2, axis=1)


PATTERNS: dict[str, tuple[Waves, float]] = {
    "arrow": (_stripes, np.pi / 2),
    "crescent": (_stripes, 0.0),
    "cross": (_checks, 0.0),
    "disc": (_dots, 0.0),
    "heart": (_waves, np.pi / 2),
    "hourglass": (_bricks, 0.0),
    "ring": (_rings, 0.0),
    "square": (_grid, 0.0),
    "star": (_grain, 0.0),
    "triangle": (_stripes, np.pi / 4),
}
"""Pattern of each class's texture, and its direction in radians."""


def pattern(owner: str, rng: np.random.Generator) -> Plane:
    """Return the pattern of a class's texture, with random period, phase and slight rotation.

    Returns:
        (S, S) float32 in [0, 1].
    """
    wave, direction = PATTERNS[owner]
    turn, period, phase_u, phase_v = rng.random(4)
    angle = direction + (turn - 0.5) * 0.3
    density = np.float32(2 * np.pi / (5.0 + 2.5 * period))
    x, y = _GRID[None, :] * density, _GRID[:, None] * density
    u = (np.cos(angle) * x + np.sin(angle) * y + 2 * np.pi * phase_u).astype(np.float32)
    v = (np.cos(angle) * y - np.sin(angle) * x + 2 * np.pi * phase_v).astype(np.float32)
    field = wave(u, v, rng) * np.float32(1.2) + np.float32(0.5)
    return np.asarray(np.clip(field, 0, 1), dtype=np.float32)


def backdrop(owner: str | None, rng: np.random.Generator) -> ColourImage:
    """Return the background of a class: clouds on a gradient in its hue, or grey.

    Returns:
        (S, S, 3) float32 in [0, 1].
    """
    jitter, saturation, light, direction, roughness = rng.random(5)
    hue = 0.0 if owner is None else (CLASSES.index(owner) + 0.5 * (jitter - 0.5)) / len(CLASSES)
    saturation = 0.0 if owner is None else 0.45 + 0.35 * saturation
    slope = np.cos(2 * np.pi * direction) * _GRID[None, :] + np.sin(2 * np.pi * direction) * _GRID[:, None]
    field = np.clip(0.5 + slope / IMAGE_SIZE * 0.6 + (clouds(rng) - 0.5) * (0.5 + roughness), 0, 1)
    dark = 0.35 + 0.2 * light
    bright = 0.7 + 0.2 * light
    return blend(field.astype(np.float32), rgb(hue, saturation, bright), rgb(hue, saturation * 0.9, dark))


def clouds(rng: np.random.Generator, cells: int = 6) -> Plane:
    """Return a smooth random field, (S, S) float32 in [0, 1]."""
    coarse = Image.fromarray(rng.random((cells, cells)).astype(np.float32))
    fine = coarse.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC)
    return np.asarray(fine, dtype=np.float32).clip(0, 1)


def two_colours(rng: np.random.Generator) -> tuple[Colour, Colour]:
    """Return a bright and a dark colour of any hue; backgrounds are between them."""
    first, second, pale, deep, bright, dark = rng.random(6)
    bright_colour = rgb(first, 0.1 + 0.5 * pale, 0.75 + 0.25 * bright)
    dark_colour = rgb(second, 0.4 + 0.5 * deep, 0.08 + 0.3 * dark)
    return bright_colour, dark_colour


def blend(share: Plane, first: Colour | ColourImage, second: Colour | ColourImage) -> ColourImage:
    """Return `first` at share 1, `second` at share 0, and mixtures between."""
    picture: ColourImage = second + (first - second) * share[..., None]
    return picture


def rgb(hue: float, saturation: float, value: float) -> Colour:
    """Return a colour as three float32 in [0, 1]."""
    return np.array(colorsys.hsv_to_rgb(hue % 1.0, saturation, value), dtype=np.float32)
