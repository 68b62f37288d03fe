"""Weather: snow, frost, fog, brightness."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from quba_check.suites.corruptions.blur import filtered, trail, zoomed
from quba_check.suites.corruptions.strength import Image, Image8, Plane, Strength, stored, unit

_GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_ICE = np.array([0.80, 0.92, 1.0], dtype=np.float32)


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
    flakes = mean + spread * rng.standard_normal(image.shape[:2], dtype=np.float32)
    flakes = zoomed(flakes.astype(np.float32), zoom)
    flakes = np.clip(np.where(flakes < threshold, 0, flakes), 0, 1).astype(np.float32)
    layer = filtered(flakes, trail(radius, sigma, rng.uniform(-135, -45)))[..., None]
    values = unit(image)
    whitened = np.maximum(values, (values @ _GREY)[..., None] * 1.5 + 0.5)
    return stored(kept * values + (1 - kept) * whitened + layer + layer[::-1, ::-1])


def frost(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    """Ice crystals on the pane in front of the scene, drawn anew each time."""
    scene, ice = strength.of(
        ((1, 0.2), (1, 0.3), (0.9, 0.45), (0.8, 0.55), (0.7, 0.65)),
        ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
    )
    return stored(np.float32(scene) * unit(image) + np.float32(ice) * _pane(image.shape[:2], rng))


def fog(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    """Plasma clouds (diamond-square) over the scene, which keeps its brightest value."""
    density, decay = strength.of(
        ((0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75)),
        ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4)),
    )
    values = unit(image)
    brightest = max(float(values.max()), 1 / 255)
    clouds = plasma(image.shape[:2], decay, rng)[..., None] * np.float32(density)
    return stored((values + clouds) * np.float32(brightest / (brightest + density)))


def brightness(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:  # noqa: ARG001 - one signature
    """The value of HSV raised, hue and saturation kept."""
    more = np.float32(strength.of((0.05, 0.1, 0.15, 0.2, 0.3), (0.1, 0.2, 0.3, 0.4, 0.5)))
    values = unit(image)
    value = values.max(axis=2, keepdims=True)
    raised = np.minimum(value + more, 1)
    # Hue and saturation are ratios: all three channels grow by the factor of their maximum; black turns grey.
    return stored(np.where(value > 0, values * (raised / np.maximum(value, 1e-6)), raised))


def plasma(shape: tuple[int, int], decay: float, rng: np.random.Generator) -> Plane:
    """A fractal height map by the diamond-square algorithm on a torus.

    Args:
        shape: (H, W) to cut from the map, whose side is the next power of two.
        decay: roughness divides by it from one scale to the next; larger is smoother.
        rng: source of the random offsets.

    Returns:
        (H, W) float32 in [0, 1].
    """
    side = 1 << (max(shape) - 1).bit_length()
    field = np.zeros((1, 1), dtype=np.float32)
    roughness = np.float32(1.0)
    while field.shape[0] < side:
        field = _refined(field, roughness, rng)
        roughness = np.float32(roughness / decay)
    field -= field.min()
    field /= np.float32(max(float(field.max()), 1e-6))
    return field[: shape[0], : shape[1]]


def _refined(field: Plane, roughness: np.float32, rng: np.random.Generator) -> Plane:
    """The field at twice the resolution: centres of squares first, then the middles of their sides."""
    count = field.shape[0]
    offset = (rng.random((3, count, count), dtype=np.float32) * 2 - 1) * roughness
    right, below = np.roll(field, -1, axis=1), np.roll(field, -1, axis=0)
    centre = (field + right + below + np.roll(right, -1, axis=0)) / 4 + offset[0]
    fine = np.empty((2 * count, 2 * count), dtype=np.float32)
    fine[::2, ::2] = field
    fine[1::2, 1::2] = centre
    fine[::2, 1::2] = (field + right + centre + np.roll(centre, 1, axis=0)) / 4 + offset[1]
    fine[1::2, ::2] = (field + below + centre + np.roll(centre, 1, axis=1)) / 4 + offset[2]
    return fine


def _pane(shape: tuple[int, int], rng: np.random.Generator) -> Image:
    """Frost on glass: fern-like crystals in a thin, uneven haze; (H, W, 3) in [0, 1]."""
    height, width = shape
    haze = plasma(shape, 1.6, rng)
    sharp = np.zeros(shape, dtype=np.uint8)
    thickness = max(1, round(min(shape) / 90))
    # Sixteenths of a pixel, OpenCV's fixed point, so that thin twigs are drawn where they are.
    twigs = np.rint(_ferns(height, width, rng) * 16).astype(np.int32)
    cv2.polylines(sharp, list(twigs), False, 255, thickness, cv2.LINE_AA, shift=4)
    glow = cv2.GaussianBlur(sharp, (0, 0), max(0.8, min(shape) / 60))
    crystals = np.maximum(sharp * np.float32(0.8), glow * np.float32(1.3)) / np.float32(255)
    light = np.clip(0.55 * haze**1.5 + crystals * (0.35 + 0.65 * haze), 0, 1)
    return np.asarray(light[..., None] * _ICE, dtype=np.float32)


def _ferns(height: int, width: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Twigs of some ferns as line segments, (n, 2, 2) points (x, y) in pixels."""
    stems, twigs = 7, 14
    root = rng.random((stems, 2)) * [width, height]
    heading = rng.random(stems) * 2 * np.pi
    length = (0.5 + 0.6 * rng.random(stems)) * min(height, width)
    along = np.linspace(0.02, 1.0, twigs)
    ahead = np.stack([np.cos(heading), np.sin(heading)], axis=1)
    joints = root[:, None] + ahead[:, None] * (along[None, :] * length[:, None])[..., None]
    reach = (1.05 - along)[None, :] * length[:, None] * (0.2 + 0.25 * rng.random((stems, twigs)))
    segments = [np.stack([root, root + ahead * length[:, None]], axis=1)]
    for side in (-np.pi / 3, np.pi / 3):
        angle = heading + side
        aside = np.stack([np.cos(angle), np.sin(angle)], axis=1)[:, None] * reach[..., None]
        segments.append(np.stack([joints, joints + aside], axis=2).reshape(-1, 2, 2))
    return np.concatenate(segments)
