"""Strength of a corruption, and the array types that all corruptions share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Image8 = NDArray[np.uint8]
Image = NDArray[np.float64]
DoublePlane = NDArray[np.float64]
T = TypeVar("T")

LEVELS = np.arange(256) / 255.0
"""The values of uint8 as float64 in [0, 1]."""

SMALL = 64
"""Images with a shorter side of at most this many pixels get strengths after CIFAR-10-C."""


@dataclass(frozen=True, slots=True)
class Strength:
    """A severity for an image of some size.

    Attributes:
        severity: 1 to 5.
        side: shorter side of the image in pixels.
    """

    severity: int
    side: int

    def parameters(self, small: tuple[T, T, T, T, T], large: tuple[T, T, T, T, T]) -> T:
        """Select the parameters of this severity from those for small and for large images."""
        return (small if self.is_small else large)[self.severity - 1]

    @property
    def is_small(self) -> bool:
        """True if the image gets the strengths after CIFAR-10-C."""
        return self.side <= SMALL


def to_float64(image: Image8) -> Image:
    """The image as float64 in [0, 1]."""
    return np.asarray(cv2.LUT(image, LEVELS), dtype=np.float64)


def to_float32(image: Image8) -> NDArray[np.float32]:
    """The image as float32 in [0, 1]."""
    return np.asarray(cv2.LUT(image, LEVELS.astype(np.float32)), dtype=np.float32)


def to_uint8(image: NDArray[np.floating]) -> Image8:
    """The image as uint8: clipped to [0, 1] and truncated, as published."""
    values: NDArray[np.floating] = np.clip(image, 0, 1)
    values *= image.dtype.type(255)
    return values.astype(np.uint8)
