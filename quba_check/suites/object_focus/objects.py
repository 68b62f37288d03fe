"""Objects in images: their regions, and pictures that show them on another background.

Source: Xiao, Engstrom, Ilyas, Madry: Noise or Signal: The Role of Image Backgrounds in Object Recognition
(ICLR 2021, arXiv 2006.09994), table 1: backgrounds are those of ONLY-BG-T, in which the object's box is
filled by tiling the largest background rectangle. Ties are resolved as in the authors' script
(github.com/rabbit-abacus/roleofimagebackgrounds).
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from quba_check.core.view import CLEAN
from quba_check.suites.suite import Example, Suite

Pixels = NDArray[np.uint8]
"""(H, W, 3) RGB."""
Mask = NDArray[np.bool_]
"""(H, W), True on the object."""


class Box(NamedTuple):
    """A rectangle of pixels, `x1` and `y1` excluded."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def area(self) -> int:
        """Number of pixels."""
        return (self.x1 - self.x0) * (self.y1 - self.y0)


def bounding_box(mask: Mask) -> Box | None:
    """Return the smallest box around all pixels of a mask; None if it has none.

    >>> bounding_box(np.array([[False, False, False], [False, True, True]]))
    Box(x0=1, y0=1, x1=3, y1=2)
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def without_object(picture: Pixels, box: Box) -> Pixels:
    """Fill an object's box from the background of its picture (ONLY-BG-T).

    The filling is the largest rectangle next to the box over the whole height or width, repeated from the
    picture's upper left corner. Of two equally large ones, above or below comes before left or right, below
    before above, right before left.

    Args:
        picture: (H, W, 3).
        box: of the object, inside the picture; at least one row or column is outside it.

    Returns:
        (H, W, 3).
    """
    height, width = picture.shape[:2]
    left = box.x0
    right = width - box.x1
    above = box.y0
    below = height - box.y1
    if max(left, right) * height > max(above, below) * width:
        tile = picture[:, :left] if left > right else picture[:, box.x1 :]
    else:
        tile = picture[:above] if above > below else picture[box.y1 :]
    repeats = -(-height // tile.shape[0]), -(-width // tile.shape[1]), 1
    filled = picture.copy()
    inside = (slice(box.y0, box.y1), slice(box.x0, box.x1))
    filled[inside] = np.tile(tile, repeats)[:height, :width][inside]
    return filled


def resize_and_crop(picture: Pixels, width: int, height: int) -> Pixels:
    """Scale a picture (bilinear, antialiased) to cover a size, then crop its middle.

    A picture of that size is returned unchanged.
    """
    if picture.shape[:2] == (height, width):
        return picture
    return np.asarray(ImageOps.fit(Image.fromarray(picture), (width, height), Image.Resampling.BILINEAR))


def composite(foreground: Pixels, mask: Mask, background: Pixels) -> Pixels:
    """Paste the masked pixels of a picture onto a background of any size.

    The edge is hard, as published: no pixel is a blend.

    >>> white, black = np.full((1, 2, 3), 255, np.uint8), np.zeros((1, 2, 3), np.uint8)
    >>> composite(white, np.array([[True, False]]), black)[..., 0].tolist()
    [[255, 0]]
    """
    height, width = mask.shape
    return np.where(mask[..., None], foreground, resize_and_crop(background, width, height))


LARGEST_SHARE = 0.9
"""Largest share of an image for an object's box; more leaves too little background. As published."""


class SkipReason(StrEnum):
    """Reasons to skip an image, as reports word them."""

    NO_MASK = "no mask"
    EMPTY = "empty mask"
    NO_BOX = "no box"
    SEVERAL = "several boxes"
    NOT_FOUND = "no object found in the box"
    FILLS = f"object over {LARGEST_SHARE:.0%} of the image"
    ALONE = "alone in its class"


@dataclass(eq=False)
class Objects(ABC):
    """A source of objects. Used from several threads.

    Args:
        path: its file or folder.
    """

    kind: ClassVar[str]
    path: Path

    @abstractmethod
    def prepare(self, suite: Suite, examples: Sequence[Example]) -> None:
        """Match the source to the images, before the first `locate`.

        Raises:
            SuiteError: the source cannot be read, or has nothing for any of the images.
        """

    @abstractmethod
    def locate(self, suite: Suite, example: Example) -> Cutout | SkipReason:
        """Return the object of an image, or the reason to skip the image.

        Raises:
            SuiteError: the image cannot be decoded, or contradicts the source.
        """


@dataclass(frozen=True, slots=True)
class Cutout:
    """An object with its mask compressed, since a set has tens of thousands.

    Attributes:
        example: its image.
        box: the region to remove if the image serves as background.
        shape: height and width of the image, in pixels.
        packed: the compressed mask.
    """

    example: Example
    box: Box
    shape: tuple[int, int]
    packed: bytes

    @classmethod
    def compress(cls, example: Example, mask: Mask, box: Box) -> Cutout:
        """Compress the object of an image."""
        height, width = mask.shape
        packed = zlib.compress(np.packbits(mask).tobytes(), level=1)
        return cls(example, box, (height, width), packed)

    @property
    def mask(self) -> Mask:
        """The mask (height, width)."""
        bits = np.frombuffer(zlib.decompress(self.packed), np.uint8)
        return np.unpackbits(bits, count=self.shape[0] * self.shape[1]).reshape(self.shape).astype(np.bool_)


def is_too_large(box: Box, picture: Pixels) -> bool:
    """Return True if an object leaves too little background in its image."""
    height, width = picture.shape[:2]
    return bool(box.area / (width * height) > LARGEST_SHARE)


def image_name(example: Example) -> str:
    """Return an image's path in the data folder, with its name in a container."""
    return example.name if example.member is None else f"{example.name}/{example.member}"


def alternative_names(suite: Suite, examples: Sequence[Example]) -> list[tuple[str, ...]]:
    """Return the names of each clean image that masks and boxes may use.

    They are the path from the data folder (`val/apple/1.png`) and, if it is shorter, the path from the set's
    own folder (`apple/1.png`).
    """
    path = suite.set_path(CLEAN)
    folder = path if path.is_dir() else path.parent
    prefix = f"{folder.relative_to(suite.root).as_posix()}/" if folder.is_relative_to(suite.root) else ""
    names = map(image_name, examples)
    return [tuple(dict.fromkeys((name, name.removeprefix(prefix)))) for name in names]
