"""Plasma, and frost textures with the colours and contrasts of the published photographs.

ImageNet-C lays crops of five photographs over its images. Their authors are not stated, so that the licence
of the software around them may not cover them, and they are not shipped here. Only statistics are taken from
them: the distribution of each colour and the contrast at each scale.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from quba_check.suites.corruptions.strength import DoublePlane, Image8

_SHAPE = (400, 600)
_RANKS = (0.0, 0.005, 0.05, 0.25, 0.5, 0.75, 0.95, 0.995, 1.0)
_SCALES = (1, 2, 4, 8, 16, 32)
_LARGEST_STEP = 100.0

Grey = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _TextureStatistics:
    """Statistics of a published frost texture.

    Attributes:
        red: its quantiles at 0.5, 5, 25, 50, 75, 95 and 99.5 %, of 255.
        green: likewise.
        blue: likewise.
        contrast: standard deviations of its lightness, of 255, between Gaussian blurs of 0, 1, 2, 4, 8, 16
            and 32 pixels, and of the last blur.
        crystals: number of crystals to draw.
        length: of a crystal, in pixels.
    """

    red: Sequence[int]
    green: Sequence[int]
    blue: Sequence[int]
    contrast: Sequence[float]
    crystals: int
    length: float


_PUBLISHED = ("teal", "white", "white", "grey", "dark")
"""Names in `frost_textures.json`. The second and the third published texture are the same picture."""
N_TEXTURES = len(_PUBLISHED)


@lru_cache(maxsize=N_TEXTURES)
def frost_texture(number: int) -> Image8:
    """A frost texture, drawn once a process; the same on every machine.

    Args:
        number: of the texture, 0 to `N_TEXTURES` - 1.

    Returns:
        (400, 600, 3) uint8, RGB.
    """
    file = Path(__file__).with_name("frost_textures.json")
    rng = np.random.default_rng([0x1CE, number])
    statistics = _TextureStatistics(**json.loads(file.read_text(encoding="utf-8"))[_PUBLISHED[number]])
    light = _set_contrast(_crystals(statistics, rng), statistics.contrast)
    levels = np.quantile(light, _RANKS)
    channels = []
    for quantiles in (statistics.red, statistics.green, statistics.blue):
        target = (2 * quantiles[0] - quantiles[1], *quantiles, 2 * quantiles[-1] - quantiles[-2])
        channels.append(np.interp(light, levels, target))
    return np.clip(np.rint(np.stack(channels, axis=2)), 0, 255).astype(np.uint8)


def _crystals(statistics: _TextureStatistics, rng: np.random.Generator) -> Grey:
    """Fern-like crystals in an uneven haze; grey values without a unit."""
    height, width = _SHAPE
    sharp = np.zeros(_SHAPE, dtype=np.uint8)
    for _ in range(statistics.crystals):
        # In sixteenths of a pixel, OpenCV's fixed-point unit, so that thin twigs keep their places.
        twigs = np.rint(_fern(statistics.length, rng.random(2) * [width, height], rng) * 16).astype(np.int32)
        shade = int(rng.integers(60, 256))
        cv2.polylines(sharp, list(twigs), False, shade, 1 + int(rng.random() < 0.3), cv2.LINE_AA, shift=4)
    haze = plasma(_SHAPE, 1.5, rng).astype(np.float32)
    return sharp / np.float32(255) * (0.3 + haze) + haze + rng.normal(0, 0.07, _SHAPE).astype(np.float32)


def _fern(length: float, root: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the segments (n, 2, 2) of a stem with twigs, (x, y) in pixels."""
    twigs = 12
    heading = rng.random() * 2 * np.pi
    long = length * (0.4 + rng.random())
    ahead = np.array([np.cos(heading), np.sin(heading)])
    along = np.linspace(0.05, 1.0, twigs)
    joints = root + ahead * (along * long)[:, None]
    reach = (1.05 - along) * long * (0.2 + 0.3 * rng.random(twigs))
    segments = [np.stack([root, root + ahead * long])[None]]
    for side in (-np.pi / 3, np.pi / 3):
        aside = np.array([np.cos(heading + side), np.sin(heading + side)])
        segments.append(np.stack([joints, joints + aside * reach[:, None]], axis=1))
    return np.concatenate(segments)


def _set_contrast(grey: Grey, contrast: Sequence[float]) -> Grey:
    """Set the contrast at each scale; the mean becomes 0."""
    result = np.zeros_like(grey)
    sharper = grey
    for scale, target in zip((*_SCALES, None), contrast, strict=True):
        blurred = grey.mean() if scale is None else cv2.GaussianBlur(grey, (0, 0), scale)
        band = sharper - blurred
        result += band * np.float32(target / band.std())
        sharper = np.asarray(blurred, dtype=np.float32)
    return result


def plasma(shape: tuple[int, int], decay: float, rng: np.random.Generator) -> DoublePlane:
    """A fractal height map by the diamond-square algorithm on a torus.

    As in the published software, an offset is half the range times a random number from the range, so that
    the range shrinks by the square of `decay` from one scale to the next.

    Args:
        shape: (H, W) to cut from the map, whose side is the next power of two.
        decay: roughness; larger is smoother.
        rng: source of the random offsets.

    Returns:
        (H, W) in [0, 1].
    """
    side = 1 << (max(shape) - 1).bit_length()
    field = np.zeros((1, 1))
    step = _LARGEST_STEP
    while field.shape[0] < side:
        field = _refine(field, step, rng)
        step /= decay
    lowest = field.min()
    heights: DoublePlane = field[: shape[0], : shape[1]] - lowest
    heights /= (field.max() - lowest) or 1.0
    return heights


def _refine(field: DoublePlane, step: float, rng: np.random.Generator) -> DoublePlane:
    """Double the resolution of a field: centres of squares, then middles of sides."""
    count = field.shape[0]

    offsets = rng.uniform(-step, step, size=(3, count, count))
    offsets *= step

    def middle(sum_of_four: DoublePlane, offset: DoublePlane) -> DoublePlane:
        sum_of_four *= 0.25
        sum_of_four += offset
        return sum_of_four

    def pairs(plane: DoublePlane, shift: int, axis: int) -> DoublePlane:
        """Return the sums of neighbours; faster than with numpy's roll."""
        parts = (plane[shift:], plane[:shift]) if axis == 0 else (plane[:, shift:], plane[:, :shift])
        total = np.concatenate(parts, axis=axis)
        total += plane
        return total

    down = pairs(field, 1, axis=0)
    centre = middle(pairs(down, 1, axis=1), offsets[0])
    fine = np.empty((2 * count, 2 * count))
    fine[::2, ::2] = field
    fine[1::2, 1::2] = centre
    fine[::2, 1::2] = middle(pairs(centre, -1, axis=0) + pairs(field, 1, axis=1), offsets[1])
    fine[1::2, ::2] = middle(pairs(centre, -1, axis=1) + down, offsets[2])
    return fine
