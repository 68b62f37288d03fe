"""Facts of images: perceptual hash, brightness, sharpness and size, computed once an image."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from quba_check.core.view import View
from quba_check.storage.file_digests import ContentDigests, ImageValues, read_values, write_values
from quba_check.suites.example import Example

if TYPE_CHECKING:
    from quba_check.suites.suite import Suite

__all__ = ["ImageFacts", "facts_of_examples", "image_contents", "image_facts"]
LONGER_SIDE = 224
"""Pixels of the longer side of the image whose sharpness is measured."""
BATCH = 1024
"""Images whose facts are stored together: the most that a killed run loses."""
_THREADS = 4
_GREY = ("L", "RGB", "YCbCr")
"""Modes that Pillow converts to grey as to RGB first."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageFacts:
    """Facts of images, a row for each.

    Attributes:
        content: identifies the content of each image: the digest of its file, with the member of a container.
        phash: (N,) uint64, perceptual hash: `imagehash.phash` of 64 bits.
        brightness: (N,) float32, mean luma (ITU-R BT.601) in [0, 1].
        sharpness: (N,) float32, variance of the Laplacian of the grey levels 0 to 255 at a longer side of 224
            pixels (Pech-Pacheco et al., ICPR 2000); smaller images are enlarged, and so count as blurred.
        size: (N,) int32, shorter side of the stored image in pixels.
    """

    content: tuple[str, ...]
    phash: NDArray[np.uint64]
    brightness: NDArray[np.float32]
    sharpness: NDArray[np.float32]
    size: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.content)


def image_facts(suite: Suite, view: View, digests: ContentDigests) -> ImageFacts:
    """Return the facts of a view's images, in the order of `suite.examples(view)`.

    They describe the files as stored: before preprocessing, generated corruptions and attacks. Each content
    is decoded once; its facts are kept next to the file digests. JPEG files are decoded at a reduced size.

    Args:
        suite: the suite.
        view: the view.
        digests: the file digests of the store: `ContentDigests(digests_file(store.root))`.

    Raises:
        SuiteError: the set is missing, or an image cannot be decoded.
        StoreError: facts cannot be kept.
    """
    suite.fetch(view)
    return facts_of_examples(suite, suite.examples(view), digests)


def facts_of_examples(
    suite: Suite,
    examples: Sequence[Example],
    digests: ContentDigests,
    advance: Callable[[int], None] = lambda _: None,
) -> ImageFacts:
    """Return the facts of images whose files are on this machine, in their order.

    Args:
        suite: the suite that opens the images.
        examples: the images.
        digests: see `image_facts`.
        advance: called with the number of images after each batch.

    Raises:
        SuiteError, StoreError: see `image_facts`.
    """
    contents = image_contents(suite, examples, digests)
    values = read_values(digests, set(contents))
    by_content = zip(contents, examples, strict=True)
    missing = list({content: one for content, one in by_content if content not in values}.items())
    advance(len(examples) - len(missing))
    with ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            rows = pool.map(lambda item: suite.read_image(item[1], values_of), batch)
            new = {content: row for (content, _), row in zip(batch, rows, strict=True)}
            write_values(digests, new)
            values |= new
            advance(len(new))
    table = [values[content] for content in contents]
    phash, brightness, sharpness, size = zip(*table, strict=True) if table else ((), (), (), ())
    return ImageFacts(
        contents,
        np.array(phash, dtype=np.int64).view(np.uint64),
        np.array(brightness, dtype=np.float32),
        np.array(sharpness, dtype=np.float32),
        np.array(size, dtype=np.int32),
    )


def image_contents(suite: Suite, examples: Sequence[Example], digests: ContentDigests) -> tuple[str, ...]:
    """Return the identifier of each image's content; files are read, and nothing is decoded.

    Raises:
        SuiteError, StoreError: see `image_facts`.
    """
    root = str(suite.root)
    files = digests.digests(os.path.join(root, example.name) for example in examples)  # noqa: PTH118
    return tuple(
        digest if example.member is None else f"{digest}/{example.reader}/{example.member}"
        for example, digest in zip(examples, files, strict=True)
    )


def values_of(image: Image.Image) -> ImageValues:
    """Return hash, brightness, sharpness and size of an opened image."""
    width, height = image.size
    image.draft("L", (LONGER_SIDE, 1) if width > height else (1, LONGER_SIDE))
    grey = (image if image.mode in _GREY else image.convert("RGB")).convert("L")
    bits = imagehash.phash(grey).hash
    phash = int(np.packbits(bits).view(">i8")[0])
    levels = np.asarray(grey)
    scale = LONGER_SIDE / max(levels.shape)
    shape = [max(1, round(side * scale)) for side in reversed(levels.shape)]
    resized = cv2.resize(levels, shape, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    sharpness = float(cv2.Laplacian(resized, cv2.CV_64F).var())
    return phash, float(levels.mean()) / 255, sharpness, min(width, height)


def thumbnails(suite: Suite, examples: Sequence[Example], side: int = 32) -> NDArray[np.uint8]:
    """Return images in `side` × `side` pixels, as (N, side², 3).

    Raises:
        SuiteError: an image cannot be decoded.
    """

    def thumbnail(image: Image.Image) -> NDArray[np.uint8]:
        image.draft("RGB", (4 * side, 4 * side))
        resized = image.convert("RGB").resize((side, side), Image.Resampling.BOX)
        return np.asarray(resized).reshape(-1, 3)

    with ThreadPoolExecutor(_THREADS) as pool:
        rows = list(pool.map(lambda example: suite.read_image(example, thumbnail), examples))
    return np.array(rows, dtype=np.uint8).reshape(-1, side**2, 3)
