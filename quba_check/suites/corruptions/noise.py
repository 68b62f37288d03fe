"""Noise: gaussian, shot, impulse."""

from __future__ import annotations

import numpy as np

from quba_check.suites.corruptions.strength import Image8, Strength, stored, unit


def gaussian_noise(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    """Normal noise on every value, as in low light."""
    scale = strength.of((0.04, 0.06, 0.08, 0.09, 0.10), (0.08, 0.12, 0.18, 0.26, 0.38))
    return stored(unit(image) + np.float32(scale) * rng.standard_normal(image.shape, dtype=np.float32))


def shot_noise(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    """Poisson noise: light arrives in photons, of which there are few."""
    photons = strength.of((500, 250, 100, 75, 50), (60, 25, 12, 5, 3))
    return stored((rng.poisson(unit(image) * photons) / photons).astype(np.float32))


def impulse_noise(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    """Salt and pepper in single values, as from bit errors."""
    share = strength.of((0.01, 0.02, 0.03, 0.05, 0.07), (0.03, 0.06, 0.09, 0.17, 0.27))
    draw = rng.random(image.shape, dtype=np.float32)
    noisy = image.copy()
    noisy[draw < share] = 255
    noisy[draw < share / 2] = 0
    return noisy
