"""Where the object of an image is, and why an image has none that could be used."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np

from quba_check.core.view import CLEAN_SET, View
from quba_check.suites.object_focus.mixing import Box, Mask, Pixels
from quba_check.suites.suite import Example, Suite

LARGEST_SHARE = 0.9
"""An object whose box covers more leaves too little background; the limit of the published sets."""


class LeftOut(StrEnum):
    """Why an image takes no part, as reports say it."""

    NO_MASK = "no mask"
    EMPTY = "empty mask"
    NO_BOX = "no box"
    SEVERAL = "several boxes"
    NOT_FOUND = "no object found in the box"
    FILLS = f"object over {LARGEST_SHARE:.0%} of the image"
    ALONE = "alone in its class"


@dataclass(frozen=True, slots=True)
class Located:
    """An object.

    Attributes:
        mask: its pixels.
        box: the region that counts as its own and is removed from backgrounds.
    """

    mask: Mask
    box: Box


class Objects(Protocol):
    """What knows where objects are. Used from several threads."""

    @property
    def shown(self) -> str:
        """Kind and absolute path of what is known."""

    def prepare(self, suite: Suite, examples: Sequence[Example]) -> None:
        """Match what is known to the images, before any is asked for.

        Raises:
            SuiteError: what is known cannot be read, or is about none of the images.
        """

    def locate(self, suite: Suite, example: Example) -> Located | LeftOut:
        """The object of an image.

        Raises:
            SuiteError: the image cannot be decoded, or what is known contradicts it.
        """


@dataclass(frozen=True, slots=True)
class Cutout:
    """An object that takes part, with its mask packed: a set has tens of thousands.

    Attributes:
        example: the image that shows it.
        box: the region to be removed where the image serves as background.
        width: of the image, in pixels.
        height: of the image, in pixels.
        packed: the mask, compressed.
    """

    example: Example
    box: Box
    width: int
    height: int
    packed: bytes

    @classmethod
    def of(cls, example: Example, located: Located) -> Cutout:
        """The object of an image, packed."""
        height, width = located.mask.shape
        return cls(
            example, located.box, width, height, zlib.compress(np.packbits(located.mask).tobytes(), level=1)
        )

    @property
    def mask(self) -> Mask:
        """The mask (height, width)."""
        bits = np.frombuffer(zlib.decompress(self.packed), np.uint8)
        flat = np.unpackbits(bits, count=self.width * self.height)
        return flat.reshape(self.height, self.width).astype(np.bool_)


def is_too_large(box: Box, picture: Pixels) -> bool:
    """Whether an object leaves too little of its image to be a background."""
    height, width = picture.shape[:2]
    share: float = box.area / (width * height)
    return share > LARGEST_SHARE


def pixels_of(suite: Suite, example: Example) -> Pixels:
    """An image's pixels.

    Raises:
        SuiteError: it cannot be decoded.
    """
    return np.asarray(suite.image(example))


def image_name(example: Example) -> str:
    """An image's path in the data folder; for one in a container, followed by its place in there."""
    return example.name if example.member is None else f"{example.name}/{example.member}"


def names_of(suite: Suite, examples: Sequence[Example]) -> list[tuple[str, ...]]:
    """For each clean image the names that masks and boxes may use.

    They are the path from the data folder (`val/apple/1.png`) and, if that is shorter, from the set's own
    folder (`apple/1.png`).
    """
    place = suite.place(View(CLEAN_SET))
    folder = place if place.is_dir() else place.parent
    prefix = f"{folder.relative_to(suite.root).as_posix()}/" if folder.is_relative_to(suite.root) else ""
    names = map(image_name, examples)
    return [tuple(dict.fromkeys((name, name.removeprefix(prefix)))) for name in names]
