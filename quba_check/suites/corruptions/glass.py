"""Frosted glass: a slight blur, pixels replaced by near ones, and the blur again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quba_check.suites.corruptions.filters import gaussian
from quba_check.suites.corruptions.strength import Image, Image8, Strength, stored, unit


def glass_blur(image: Image8, strength: Strength, rng: np.random.Generator) -> Image8:
    """The scene behind frosted glass."""
    sigma, reach, rounds = strength.of(
        ((0.05, 1, 1), (0.25, 1, 2), (0.25, 2, 1), (0.4, 2, 2), (0.4, 3, 2)),
        ((0.7, 1, 2), (0.9, 2, 1), (1.0, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
    )
    height, width = image.shape[:2]
    rows, columns = max(height - 2 * reach, 0), max(width - 2 * reach, 0)
    offsets = rng.integers(-reach, reach, size=(rounds, rows, columns, 2), dtype=np.int8)
    return shattered(image, sigma, reach, offsets)


def shattered(image: Image8, sigma: float, reach: int, offsets: NDArray[np.integer]) -> Image8:
    """The image behind glass whose every point shows a near point.

    Args:
        image: (H, W, 3) uint8.
        sigma: of the blur before and after, in pixels.
        reach: how far a point is moved at most.
        offsets: (rounds, H - 2 · reach, W - 2 · reach, 2), right and down, from the last pixel to the first.

    Returns:
        (H, W, 3) uint8.
    """
    height, width = image.shape[:2]
    softened = stored(_softened(unit(image), sigma))
    place = np.arange(height * width)
    for moves in offsets:
        place = place[sources(height, width, reach, moves)]
    return stored(_softened(unit(softened.reshape(-1, 3)[place].reshape(image.shape)), sigma))


def sources(height: int, width: int, reach: int, moves: NDArray[np.integer]) -> NDArray[np.intp]:
    """Which pixel each pixel shows after a round.

    The published software goes from the last pixel to the first and lets each take the colour that its
    neighbour has at that moment. (It means to swap the two, but both are views of one array.) A neighbour
    further on has been given its colour already, so that colours come through chains of pixels; all chains
    are followed at once, each step twice as far as the one before.

    Args:
        height: of the image.
        width: of the image.
        reach: pixels nearer than this to the first rows and columns, or nearer than `reach - 1` to the last,
            are left as they are.
        moves: (rows, columns, 2) of the pixels that are not, from the last to the first; right and down.

    Returns:
        For each pixel, row by row, the position of the one whose former colour it shows.
    """
    pixels = np.arange(height * width).reshape(height, width)
    inner = slice(reach + 1, height - reach + 1), slice(reach + 1, width - reach + 1)
    neighbour = pixels.copy()
    neighbour[inner] += moves[::-1, ::-1, 1].astype(np.intp) * width + moves[::-1, ::-1, 0]
    given = np.zeros((height, width), dtype=bool)
    given[inner] = True
    own, shown = pixels.reshape(-1), neighbour.reshape(-1)
    source = np.where((shown > own) & given.reshape(-1)[shown], shown, own)
    while True:
        further = source[source]
        if np.array_equal(further, source):
            return np.asarray(shown[source], dtype=np.intp)
        source = further


def _softened(image: Image, sigma: float) -> Image:
    return gaussian(image, (sigma, sigma), "nearest", truncate=4.0)
