"""Small changes to an image that should not change what is seen in it: values to be read and composed.

    >>> HorizontalFlip() >> Rotation(degrees=5) >> Jpeg(quality=60)
    HorizontalFlip() >> Rotation(degrees=5) >> Jpeg(quality=60)

Each is a function from pixels to pixels of the same shape, uint8 (H, W, 3), that depends on its fields and
the pixels alone. Its text is the code that makes it again. Which of them keep the label is for whoever knows
the classes to say: a flip turns some letters into others.
"""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from quba_check.core.view import CORRUPTIONS
from quba_check.errors import UserError, did_you_mean, listed
from quba_check.suites.corruptions import corrupt

Pixels = NDArray[np.uint8]
Limits = dict[str, tuple[float, float]]


class Perturbation:
    """A change to an image; `first >> second` makes both, in that order."""

    limits: ClassVar[Limits] = {}
    """Least and largest value of each field that has such."""

    def __post_init__(self) -> None:
        for name, (least, largest) in self.limits.items():
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not least <= value <= largest:  # NaN is outside too
                raise UserError(
                    f"{type(self).__name__}: {name}, got {value!r}. Allowed: {least:g} to {largest:g}."
                )

    def __call__(self, image: Pixels | Image.Image) -> Pixels:
        """The changed image, a new array.

        Args:
            image: uint8 (H, W, 3), RGB; or a PIL image, which is converted to that.

        Raises:
            UserError: it is no image.
        """
        pixels = np.array(image.convert("RGB")) if isinstance(image, Image.Image) else image
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[2:] != (3,):
            found = (
                f"{pixels.dtype} of shape {pixels.shape}" if isinstance(pixels, np.ndarray) else repr(pixels)
            )
            raise UserError(
                f"{type(self).__name__}: not an image, got {found}. Allowed: uint8 of shape (H, W, 3), or a "
                "PIL image."
            )
        return self._changed(pixels)

    def _changed(self, pixels: Pixels) -> Pixels:
        raise NotImplementedError

    def __rshift__(self, then: Perturbation) -> Chain:
        return Chain((*_steps(self), *_steps(then)))


@dataclass(frozen=True, slots=True)
class Chain(Perturbation):
    """Several changes, one after the other; none is the identity."""

    steps: tuple[Perturbation, ...] = ()

    def _changed(self, pixels: Pixels) -> Pixels:
        for step in self.steps:
            pixels = step(pixels)
        return pixels.copy()

    def __repr__(self) -> str:
        return " >> ".join(map(repr, self.steps)) if len(self.steps) > 1 else f"Chain({self.steps!r})"


@dataclass(frozen=True, slots=True)
class HorizontalFlip(Perturbation):
    """Left and right change sides."""

    def _changed(self, pixels: Pixels) -> Pixels:
        return np.ascontiguousarray(pixels[:, ::-1])


@dataclass(frozen=True, slots=True)
class Shift(Perturbation):
    """The image moves by a share of its width and height; what comes in is mirrored at the edge."""

    right: float = 0.0
    down: float = 0.0
    limits: ClassVar[Limits] = {"right": (-0.5, 0.5), "down": (-0.5, 0.5)}

    def _changed(self, pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        return _warped(pixels, np.array([[1, 0, self.right * width], [0, 1, self.down * height]]))


@dataclass(frozen=True, slots=True)
class Rotation(Perturbation):
    """The image turns around its centre, counterclockwise; corners are filled with the mirrored image."""

    degrees: float
    limits: ClassVar[Limits] = {"degrees": (-180, 180)}

    def _changed(self, pixels: Pixels) -> Pixels:
        return _warped(pixels, cv2.getRotationMatrix2D(_centre(pixels), self.degrees, 1))


@dataclass(frozen=True, slots=True)
class Zoom(Perturbation):
    """The image grows by a share of its size around its centre; edges are cut, or filled where it shrinks."""

    by: float
    limits: ClassVar[Limits] = {"by": (-0.5, 1)}

    def _changed(self, pixels: Pixels) -> Pixels:
        return _warped(pixels, cv2.getRotationMatrix2D(_centre(pixels), 0, 1 + self.by))


@dataclass(frozen=True, slots=True)
class Brightness(Perturbation):
    """Every value grows by a share of itself."""

    by: float
    limits: ClassVar[Limits] = {"by": (-1, 1)}

    def _changed(self, pixels: Pixels) -> Pixels:
        return _stored(pixels * (1 + self.by))


@dataclass(frozen=True, slots=True)
class Contrast(Perturbation):
    """The distance of every value to the image's mean grows by a share of itself."""

    by: float
    limits: ClassVar[Limits] = {"by": (-1, 1)}

    def _changed(self, pixels: Pixels) -> Pixels:
        mean = pixels.mean()
        return _stored(mean + (pixels - mean) * (1 + self.by))


@dataclass(frozen=True, slots=True)
class Jpeg(Perturbation):
    """A round trip through JPEG."""

    quality: int
    limits: ClassVar[Limits] = {"quality": (1, 100)}

    def _changed(self, pixels: Pixels) -> Pixels:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=self.quality)
        return np.array(Image.open(file))


@dataclass(frozen=True, slots=True)
class Noise(Perturbation):
    """Gaussian noise of a standard deviation in units of the whole range; each image gets its own."""

    sigma: float
    seed: int = 0
    limits: ClassVar[Limits] = {"sigma": (0, 1)}

    def _changed(self, pixels: Pixels) -> Pixels:
        return _stored(pixels + _rng(self.seed, pixels).normal(0, 255 * self.sigma, pixels.shape))


@dataclass(frozen=True, slots=True)
class Blur(Perturbation):
    """A Gaussian blur of a standard deviation in pixels."""

    sigma: float
    limits: ClassVar[Limits] = {"sigma": (0, 100)}

    def _changed(self, pixels: Pixels) -> Pixels:
        if self.sigma == 0:
            return pixels.copy()
        return np.asarray(cv2.GaussianBlur(pixels, (0, 0), self.sigma), dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Corruption(Perturbation):
    """A common corruption, by its ImageNet-C name, at a severity of 1 to 5; each image gets its own draw."""

    name: str
    severity: int = 1
    seed: int = 0
    limits: ClassVar[Limits] = {"severity": (1, 5)}

    def __post_init__(self) -> None:
        Perturbation.__post_init__(self)
        if self.name not in CORRUPTIONS:
            raise UserError(
                f"Corruption: unknown name, got '{self.name}'.{did_you_mean(self.name, CORRUPTIONS)} "
                f"Allowed: {listed(CORRUPTIONS)}."
            )

    def _changed(self, pixels: Pixels) -> Pixels:
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
    """Randomness of an image's own, the same whenever and in whatever order it comes."""
    return np.random.default_rng([seed, zlib.crc32(np.ascontiguousarray(pixels).tobytes())])


def _stored(values: NDArray[np.floating[Any]]) -> Pixels:
    return np.asarray(np.rint(values).clip(0, 255), dtype=np.uint8)
