"""The common corruptions of Hendrycks & Dietterich (ICLR 2019, arXiv 1903.12261), for any size.

Images with a shorter side of more than `SMALL` pixels get ImageNet-C's strengths and equal those of the
package `imagecorruptions` to the last bit or nearly so, except frost, whose textures are generated (see
`frost_texture`). Smaller images get strengths after CIFAR-10-C, since a blur that is mild at 224 pixels
leaves nothing of 48. The small strengths of snow, frost, glass_blur, motion_blur and elastic_transform are
our own: some of the published ones do not change an image more from one severity to the next.

The stored ImageNet-C is another set: ImageMagick made its motion_blur and snow, and it was saved as JPEG.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from quba_check.core.view import SEVERITIES
from quba_check.errors import UserError
from quba_check.messages import known_names
from quba_check.suites.corruptions import blur, digital, noise, weather
from quba_check.suites.corruptions.strength import Image8, Strength

VERSION = 4
"""Incremented when an output changes, so that predictions on the old images are not used for the new ones."""

ENCODINGS = {"jpeg85": 85}
"""JPEG quality by encoding. ImageNet-C was saved by Pillow at this quality with halved chroma resolution."""

CorruptionFunction = Callable[[Image8, Strength, np.random.Generator], Image8]

_BY_NAME: dict[str, CorruptionFunction] = {
    "gaussian_noise": noise.gaussian_noise,
    "shot_noise": noise.shot_noise,
    "impulse_noise": noise.impulse_noise,
    "defocus_blur": blur.defocus_blur,
    "glass_blur": blur.glass_blur,
    "motion_blur": blur.motion_blur,
    "zoom_blur": blur.zoom_blur,
    "snow": weather.snow,
    "frost": weather.frost,
    "fog": weather.fog,
    "brightness": weather.brightness,
    "contrast": digital.contrast,
    "elastic_transform": digital.elastic_transform,
    "pixelate": digital.pixelate,
    "jpeg_compression": digital.jpeg_compression,
    "speckle_noise": noise.speckle_noise,
    "gaussian_blur": blur.gaussian_blur,
    "spatter": weather.spatter,
    "saturate": digital.saturate,
    "low_light": noise.low_light,
}


def corrupt(image: Image8, name: str, severity: int, rng: np.random.Generator) -> Image8:
    """Apply a corruption to an image.

    The result depends only on the arguments and the state of `rng`. Thread-safe: no global state is read or
    changed.

    Args:
        image: (H, W, 3) uint8, RGB.
        name: a name in `core.view.CORRUPTIONS` or `EXTRA_CORRUPTIONS`.
        severity: 1 (mild) to 5.
        rng: source of noise, angles and fields.

    Returns:
        (H, W, 3) uint8, a new array.

    Raises:
        UserError: the name or severity is unknown, or the array is not an RGB image.

    >>> grey = np.full((48, 48, 3), 100, dtype=np.uint8)
    >>> int(corrupt(grey, "brightness", 2, np.random.default_rng(0))[0, 0, 0])
    125
    """
    if name not in _BY_NAME:
        raise UserError("unknown name", where="corruption", got=f"'{name}'", **known_names(name, _BY_NAME))
    if severity not in SEVERITIES:
        raise UserError("unknown severity", where=name, got=f"{severity}", allowed="1, 2, 3, 4, 5")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise UserError(
            "not an RGB image",
            where=name,
            got=f"{image.dtype} of shape {image.shape}",
            allowed="uint8 of shape (H, W, 3)",
        )
    image = np.ascontiguousarray(image)
    return _BY_NAME[name](image, Strength(severity, min(image.shape[:2])), rng)


def reencode(image: Image8, encoding: str) -> Image8:
    """Pass a corrupted image through a file format, as the stored ImageNet-C did.

    Args:
        image: (H, W, 3) uint8, RGB.
        encoding: a name in `ENCODINGS`.

    Returns:
        (H, W, 3) uint8, a new array.
    """
    return digital.jpeg_round_trip(image, ENCODINGS[encoding])
