"""Noise: gaussian, shot, impulse."""

from __future__ import annotations

import cv2
import numpy as np

from quba_check.suites.corruptions.strength import LEVELS, Image8, Strength, to_float64, to_uint8


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
    counts = rng.poisson(cv2.LUT(image, LEVELS * photons))
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
