"""Objects in images: their regions, and reasons to skip an image."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from quba_check.core.view import CLEAN
from quba_check.suites.object_focus.mixing import Box, Mask, Pixels
from quba_check.suites.suite import Example, Suite

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


class Objects(ABC):
    """A source of objects. Used from several threads.

    Args:
        path: its file or folder.
    """

    kind: str

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def label(self) -> str:
        """Kind and absolute path of the source."""
        return f"{self.kind} {self.path.absolute()}"

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


def read_pixels(suite: Suite, example: Example) -> Pixels:
    """Decode an image.

    Raises:
        SuiteError: it cannot be decoded.
    """
    return np.asarray(suite.image(example))


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
