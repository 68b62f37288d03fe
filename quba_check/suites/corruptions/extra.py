"""Corruptions outside the fifteen: the four further ones of ImageNet-C, and low light."""

from __future__ import annotations

import cv2
import numpy as np
import scipy
from numpy.typing import NDArray

from quba_check.suites.corruptions.strength import Image8, Strength, to_float32, to_float64, to_uint8

FULL_WELL = 5_000
"""Electrons of a white pixel at full exposure: a choice for the small pixels of phone cameras."""
READ_NOISE = 3.0
"""Standard deviation of the noise of reading a pixel, in electrons."""
_WATER = np.array([175, 238, 238], np.float32) / np.float32(255)
_MUD = np.array([63, 42, 20]) / 255.0


def speckle_noise(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    """Normal noise in proportion to the value."""
    scale = strength.parameters((0.06, 0.1, 0.12, 0.16, 0.2), (0.15, 0.2, 0.35, 0.45, 0.6))
    values = to_float64(image)
    return to_uint8(values + values * rng.normal(size=image.shape, scale=scale))


def gaussian_blur(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:  # noqa: ARG001 - one signature
    """A Gaussian blur."""
    sigma = strength.parameters((0.4, 0.6, 0.7, 0.8, 1.0), (1.0, 2.0, 3.0, 4.0, 6.0))
    return to_uint8(scipy.ndimage.gaussian_filter(to_float64(image), sigma, mode="nearest", axes=(0, 1)))


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


def saturate(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:  # noqa: ARG001 - one signature
    """Less or more saturation (HSV) at the same hue and value; grey is red."""
    factor, increase = strength.parameters(
        ((0.3, 0.0), (0.1, 0.0), (1.5, 0.0), (2.0, 0.1), (2.5, 0.2)),
        ((0.3, 0.0), (0.1, 0.0), (2.0, 0.0), (5.0, 0.1), (20.0, 0.2)),
    )
    values = to_float64(image)
    largest = values.max(axis=2, keepdims=True)
    below = largest - values
    spread = below.max(axis=2, keepdims=True)
    saturation = spread / np.where(largest > 0, largest, 1.0)
    changed = np.clip(saturation * factor + increase, 0, 1) * largest
    is_grey = spread == 0
    share = np.where(is_grey, [0.0, 1.0, 1.0], below / np.where(is_grey, 1.0, spread))
    return to_uint8(largest - share * changed)


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
