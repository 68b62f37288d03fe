"""Pairs of images that show the same picture, by perceptual hashes and pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from quba_check.suites.example import Example
from quba_check.suites.image_facts import ImageFacts, thumbnails

if TYPE_CHECKING:
    from quba_check.suites.suite import Suite

MOST_BITS = 6
"""Largest number of different bits in the hashes of one picture."""
MOST_DIFFERENCE = 0.1
"""Largest mean difference of pixels, relative to their mean deviation from the mean colour."""
LEAST_LEVELS = 2.0
"""Difference of levels that noise alone makes, in images that are almost flat."""
TRAINING = -1
"""The number of the training images among the sets."""
_BANDS, _BAND_BITS = MOST_BITS + 1, 64 // (MOST_BITS + 1)
_ROWS, _MOST_COMPARED, _MOST_PAIRS, _PAIRS = 256, 2048, 32, 4096
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
    hashes, sets = facts.phash[order], sets[order]
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
    is_one = [is_one_picture(one[:, 0], one[:, 1]) for one in couples]
    return pairs.compress(np.concatenate(is_one), axis=0)


def is_one_picture(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return for each pair of small images, (M, pixels, 3), whether they show one picture.

    Hashes ignore colour and contrast, and almost flat images share them.
    """
    one, other = first.astype(np.float32), second.astype(np.float32)
    deviation = np.abs(one - one.mean(axis=1, keepdims=True)).mean(axis=(1, 2))
    most = np.maximum(LEAST_LEVELS, MOST_DIFFERENCE * deviation)
    is_one: NDArray[np.bool_] = np.abs(one - other).mean(axis=(1, 2)) <= most
    return is_one
