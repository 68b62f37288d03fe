"""Small changes to an image that should not change its class.

    >>> HorizontalFlip() >> Rotation(degrees=5) >> Jpeg(quality=60)
    HorizontalFlip() >> Rotation(degrees=5) >> Jpeg(quality=60)

Each is a function from pixels to pixels of the same shape, uint8 (H, W, 3), and depends only on its fields
and the pixels. Its repr is the code to create it again. Not every change keeps every label: a flip turns
some letters into others.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from quba_check.core.view import CORRUPTIONS, EXTRA_CORRUPTIONS
from quba_check.errors import UserError
from quba_check.messages import did_you_mean, listed
from quba_check.suites.corruptions import corrupt
from quba_check.suites.corruptions.digital import jpeg_round_trip

Pixels = NDArray[np.uint8]
RateLimits = dict[str, tuple[float, float]]


class Perturbation:
    """A change to an image; `first >> second` applies both, in that order."""

    limits: ClassVar[RateLimits] = {}
    """Smallest and largest value of fields with limits."""

    def __post_init__(self) -> None:
        for name, (low, high) in self.limits.items():
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not low <= value <= high:  # NaN is outside too
                raise UserError(
                    name, where=type(self).__name__, got=f"{value!r}", allowed=f"{low:g} to {high:g}"
                )

    def __call__(self, image: Pixels | Image.Image) -> Pixels:
        """Return the changed image, a new uint8 array (H, W, 3).

        Args:
            image: uint8 (H, W, 3), RGB; or a PIL image, which is converted to that.

        Raises:
            UserError: the argument is not an image.
        """
        pixels = np.array(image.convert("RGB")) if isinstance(image, Image.Image) else image
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[2:] != (3,):
            got = (
                f"{pixels.dtype} of shape {pixels.shape}" if isinstance(pixels, np.ndarray) else repr(pixels)
            )
            raise UserError(
                "not an image",
                got=got,
                allowed="uint8 of shape (H, W, 3), or a PIL image",
                where=type(self).__name__,
            )
        return self._apply(pixels)

    def _apply(self, pixels: Pixels) -> Pixels:
        raise NotImplementedError

    def __rshift__(self, then: Perturbation) -> Chain:
        return Chain((*_steps(self), *_steps(then)))


@dataclass(frozen=True, slots=True)
class Chain(Perturbation):
    """Several changes, one after another; an empty chain is the identity."""

    steps: tuple[Perturbation, ...] = ()

    def _apply(self, pixels: Pixels) -> Pixels:
        for step in self.steps:
            pixels = step(pixels)
        return pixels.copy()

    def __repr__(self) -> str:
        return " >> ".join(map(repr, self.steps)) if len(self.steps) > 1 else f"Chain({self.steps!r})"


@dataclass(frozen=True, slots=True)
class HorizontalFlip(Perturbation):
    """Swap left and right."""

    def _apply(self, pixels: Pixels) -> Pixels:
        return np.ascontiguousarray(pixels[:, ::-1])


@dataclass(frozen=True, slots=True)
class Shift(Perturbation):
    """Shift by shares of width and height; gaps are filled with the mirrored image."""

    right: float = 0.0
    down: float = 0.0
    limits: ClassVar[RateLimits] = {"right": (-0.5, 0.5), "down": (-0.5, 0.5)}

    def _apply(self, pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        return _warped(pixels, np.array([[1, 0, self.right * width], [0, 1, self.down * height]]))


@dataclass(frozen=True, slots=True)
class Rotation(Perturbation):
    """Rotate counterclockwise around the centre; corners are filled with the mirrored image."""

    degrees: float
    limits: ClassVar[RateLimits] = {"degrees": (-180, 180)}

    def _apply(self, pixels: Pixels) -> Pixels:
        return _warped(pixels, cv2.getRotationMatrix2D(_centre(pixels), self.degrees, 1))


@dataclass(frozen=True, slots=True)
class Zoom(Perturbation):
    """Enlarge around the centre by a share of the size; edges are cut or filled."""

    by: float
    limits: ClassVar[RateLimits] = {"by": (-0.5, 1)}

    def _apply(self, pixels: Pixels) -> Pixels:
        return _warped(pixels, cv2.getRotationMatrix2D(_centre(pixels), 0, 1 + self.by))


@dataclass(frozen=True, slots=True)
class Brightness(Perturbation):
    """Increase every value by a share of itself."""

    by: float
    limits: ClassVar[RateLimits] = {"by": (-1, 1)}

    def _apply(self, pixels: Pixels) -> Pixels:
        return _as_uint8(pixels * (1 + self.by))


@dataclass(frozen=True, slots=True)
class Contrast(Perturbation):
    """Increase every value's distance from the image mean by a share of itself."""

    by: float
    limits: ClassVar[RateLimits] = {"by": (-1, 1)}

    def _apply(self, pixels: Pixels) -> Pixels:
        mean = pixels.mean()
        return _as_uint8(mean + (pixels - mean) * (1 + self.by))


@dataclass(frozen=True, slots=True)
class Jpeg(Perturbation):
    """Compress as JPEG and decode again."""

    quality: int
    limits: ClassVar[RateLimits] = {"quality": (1, 100)}

    def _apply(self, pixels: Pixels) -> Pixels:
        return jpeg_round_trip(pixels, self.quality)


@dataclass(frozen=True, slots=True)
class Noise(Perturbation):
    """Add Gaussian noise with a standard deviation in units of the range.

    Each image has its own noise.
    """

    sigma: float
    seed: int = 0
    limits: ClassVar[RateLimits] = {"sigma": (0, 1)}

    def _apply(self, pixels: Pixels) -> Pixels:
        return _as_uint8(pixels + _rng(self.seed, pixels).normal(0, 255 * self.sigma, pixels.shape))


@dataclass(frozen=True, slots=True)
class Blur(Perturbation):
    """Blur with a Gaussian of a standard deviation in pixels."""

    sigma: float
    limits: ClassVar[RateLimits] = {"sigma": (0, 100)}

    def _apply(self, pixels: Pixels) -> Pixels:
        if self.sigma == 0:
            return pixels.copy()
        return np.asarray(cv2.GaussianBlur(pixels, (0, 0), self.sigma), dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Corruption(Perturbation):
    """Apply a corruption by its ImageNet-C name, at severity 1 to 5.

    Each image has its own randomness.
    """

    name: str
    severity: int = 1
    seed: int = 0
    limits: ClassVar[RateLimits] = {"severity": (1, 5)}

    def __post_init__(self) -> None:
        Perturbation.__post_init__(self)
        known = (*CORRUPTIONS, *EXTRA_CORRUPTIONS)
        if self.name not in known:
            raise UserError(
                "unknown name",
                got=f"'{self.name}'",
                allowed=listed(known),
                hint=did_you_mean(self.name, known),
                where="Corruption",
            )

    def _apply(self, pixels: Pixels) -> Pixels:
        return corrupt(pixels, self.name, self.severity, _rng(self.seed, pixels))


def _steps(change: Perturbation) -> tuple[Perturbation, ...]:
    return change.steps if isinstance(change, Chain) else (change,)


def _centre(pixels: Pixels) -> tuple[float, float]:
    height, width = pixels.shape[:2]
    return (width - 1) / 2, (height - 1) / 2


def _warped(pixels: Pixels, matrix: NDArray[Any]) -> Pixels:
    height, width = pixels.shape[:2]
    warped = cv2.warpAffine(
        pixels,
        matrix.astype(np.float64),
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.asarray(warped, dtype=np.uint8)


def _rng(seed: int, pixels: Pixels) -> np.random.Generator:
    """Return the random generator of an image, independent of the order of images."""
    return np.random.default_rng([seed, zlib.crc32(np.ascontiguousarray(pixels).tobytes())])


def _as_uint8(values: NDArray[np.floating[Any]]) -> Pixels:
    return np.asarray(np.rint(values).clip(0, 255), dtype=np.uint8)
