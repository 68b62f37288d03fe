"""Facts of images, computed once an image, and pairs of images of one picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn

from quba_check.core.view import View
from quba_check.storage.file_digests import ContentDigests, ImageValues, read_values, write_values
from quba_check.suites.example import Example

if TYPE_CHECKING:
    from quba_check.suites.suite import Suite

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
        phash: (N,) uint64, see `perceptual_hash`.
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
    missing = list({content: example for content, example in by_content if content not in values}.items())
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
    phash = perceptual_hash(grey)
    levels = np.asarray(grey)
    scale = LONGER_SIDE / max(levels.shape)
    shape = [max(1, round(side * scale)) for side in reversed(levels.shape)]
    resized = cv2.resize(levels, shape, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    sharpness = float(cv2.Laplacian(resized, cv2.CV_64F).var())
    return phash, float(levels.mean()) / 255, sharpness, min(width, height)


def perceptual_hash(grey: Image.Image) -> int:
    """Return the 64 bits of the pHash of a grey image, as a signed number.

    The image has mode L. A bit is 1 if its frequency, of the 8 × 8 lowest ones of the image in 32 × 32
    pixels, is above their median (Zauner, 2010). The bits are those of `imagehash.phash`.
    """
    small = np.asarray(grey.resize((32, 32), Image.Resampling.LANCZOS), np.float64)
    frequencies = dctn(small)[:8, :8]
    bits = frequencies > np.median(frequencies)
    return int(np.packbits(bits).view(">i8")[0])


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


MOST_BITS = 6
"""Largest number of different bits in the hashes of one picture."""
MOST_DIFFERENCE = 0.1
"""Largest mean difference of pixels, relative to their mean deviation from the mean colour."""
LEAST_LEVELS = 2.0
"""Difference of levels that noise alone makes, in images that are almost flat."""
TRAINING = -1
"""The number of the training images among the sets."""
_BANDS = MOST_BITS + 1
_BAND_BITS = 64 // (MOST_BITS + 1)
_ROWS = 256
_MOST_COMPARED = 2048
_MOST_PAIRS = 32
_PAIRS = 4096
"""Hashes compared at once; bounds for each hash, which matter if thousands of images are almost equal; pairs
whose pixels are compared at once."""


def near_pairs(facts: ImageFacts, sets: NDArray[np.int64], images: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return pairs of images with similar hashes, as (M, 2) positions.

    Hashes differ in at most `MOST_BITS` bits. Training images are not compared with each other. Two such
    hashes agree in one of seven bands, so that an image is compared only with those that agree with it in a
    band: the next 2,048 in the order of hash and brightness. It has at most 32 pairs in a band.

    Args:
        facts: of all images.
        sets: number of each image's set; `TRAINING` for training images.
        images: positions of the images to compare.
    """
    order = images[
        np.lexsort([values[images] for values in (facts.sharpness, facts.brightness, facts.phash)])
    ]
    hashes = facts.phash[order]
    sets = sets[order]
    octets = hashes.astype(">u8").view(np.uint8).reshape(-1, 8)
    signs = np.unpackbits(octets, axis=1).astype(np.float32) * 2 - 1
    numbers = [np.empty(0, dtype=np.int64)]
    for rows, columns in _compared(hashes):
        # The product of signs is the number of equal bits minus that of different ones.
        is_near = np.triu(signs[rows] @ signs[columns].T >= 64 - 2 * MOST_BITS)
        is_near &= (sets[rows][:, None] != TRAINING) | (sets[columns] != TRAINING)
        is_near &= is_near.cumsum(axis=1, dtype=np.int16) <= _MOST_PAIRS
        row, column = np.nonzero(is_near)
        numbers.append(rows[row] * len(order) + columns[column])
    unique = np.unique(np.concatenate(numbers))
    return np.sort(order[np.stack(np.divmod(unique, max(1, len(order))), axis=1)], axis=1)


def _compared(hashes: NDArray[np.uint64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield positions to compare: rows, and columns from the second row on."""
    for band in range(_BANDS):
        keys = hashes >> np.uint64(band * _BAND_BITS) & np.uint64(2**_BAND_BITS - 1)
        by_key = np.argsort(keys, kind="stable")
        for bucket in np.split(by_key, np.flatnonzero(np.diff(keys[by_key])) + 1):
            for start in range(0, len(bucket) - 1, _ROWS):
                yield bucket[start : start + _ROWS], bucket[start + 1 : start + _ROWS + _MOST_COMPARED]


def pairs_of_one_picture(
    suite: Suite, examples: Sequence[Example], pairs: NDArray[np.int64], side: int = 32
) -> NDArray[np.int64]:
    """Return the pairs of images that show one picture, as (M, 2) positions.

    Args:
        suite: opens the images.
        examples: the images.
        pairs: (N, 2) positions of the pairs to compare.
        side: the images are compared in `side` × `side` pixels.

    Raises:
        SuiteError: an image cannot be decoded.
    """
    shown = np.unique(pairs)
    images = thumbnails(suite, [examples[row] for row in shown], side)
    parts = np.array_split(pairs, len(pairs) // _PAIRS + 1)
    couples = (images[np.searchsorted(shown, part)] for part in parts)
    is_one = [is_one_picture(couple[:, 0], couple[:, 1]) for couple in couples]
    return pairs.compress(np.concatenate(is_one), axis=0)


def is_one_picture(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return for each pair of small images, (M, pixels, 3), whether they show one picture.

    Hashes ignore colour and contrast, and almost flat images share them.
    """
    pixels = first.astype(np.float32)
    other = second.astype(np.float32)
    deviation = np.abs(pixels - pixels.mean(axis=1, keepdims=True)).mean(axis=(1, 2))
    most = np.maximum(LEAST_LEVELS, MOST_DIFFERENCE * deviation)
    is_one: NDArray[np.bool_] = np.abs(pixels - other).mean(axis=(1, 2)) <= most
    return is_one
