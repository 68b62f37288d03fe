"""Noise: gaussian, shot, impulse; extra: speckle noise, low light."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from quba_check.suites.corruptions.strength import LEVELS, Image8, Strength, to_float64, to_uint8

FULL_WELL = 5_000
"""Electrons of a white pixel at full exposure: a choice for the small pixels of phone cameras."""
READ_NOISE = 3.0
"""Standard deviation of the noise of reading a pixel, in electrons."""


def gaussian_noise(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    """Normal noise on every value, as in low light."""
    scale = strength.parameters((0.04, 0.06, 0.08, 0.09, 0.10), (0.08, 0.12, 0.18, 0.26, 0.38))
    # The values of `rng.normal`, which adds a mean of 0 and takes longer.
    values = rng.standard_normal(image.shape)
    values *= scale
    values += to_float64(image)
    return to_uint8(values)


def shot_noise(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    """Poisson noise: few photons arrive."""
    photons = strength.parameters((500, 250, 100, 75, 50), (60, 25, 12, 5, 3))
    # numpy draws along one axis in less time.
    counts = rng.poisson(cv2.LUT(image, LEVELS * photons).reshape(-1)).reshape(image.shape)
    # More photons than white are white as well.
    return np.asarray(to_uint8(np.arange(photons + 1) / float(photons)).take(counts, mode="clip"))


def impulse_noise(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    """Salt and pepper in single values, as from bit errors."""
    share = strength.parameters((0.01, 0.02, 0.03, 0.05, 0.07), (0.03, 0.06, 0.09, 0.17, 0.27))
    is_hit = rng.random(image.shape) <= share
    is_salt = rng.random(image.shape) <= 0.5
    hit = is_salt * np.uint8(255)
    # Saved values are truncated, and k / 255 · 255 falls short of k for some k.
    return np.asarray(cv2.copyTo(hit, is_hit.view(np.uint8), cv2.LUT(image, to_uint8(LEVELS))))


def speckle_noise(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    """Normal noise in proportion to the value."""
    scale = strength.parameters((0.06, 0.1, 0.12, 0.16, 0.2), (0.15, 0.2, 0.35, 0.45, 0.6))
    values = to_float64(image)
    return to_uint8(values + values * rng.normal(size=image.shape, scale=scale))


def low_light(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    """Each severity halves the light once more: a darker photo with photon and read noise.

    The values of sRGB (IEC 61966-2-1) are turned into linear light. A pixel collects a Poisson number of
    electrons in proportion to its light, reading adds normal noise, and nothing is amplified.

    Source: the noise model of Foi et al., IEEE Transactions on Image Processing 2008.
    """
    exposure = 0.5**strength.severity
    electrons = rng.poisson(_LIGHT[image] * (exposure * FULL_WELL)).astype(np.float64)
    light = np.clip((electrons + rng.normal(scale=READ_NOISE, size=image.shape)) / FULL_WELL, 0, 1)
    return to_uint8(np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055))


def linear_light(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the linear light of values of sRGB.

    Args:
        values: of any shape, in [0, 1].
    """
    linear: NDArray[np.float64] = np.where(
        values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4
    )
    return linear


_LIGHT = linear_light(np.arange(256) / 255.0)
