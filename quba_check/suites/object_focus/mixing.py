"""Cutting objects out of pictures and pasting them onto others: pure array functions.

Source: Xiao, Engstrom, Ilyas, Madry: Noise or Signal: The Role of Image Backgrounds in Object Recognition
(ICLR 2021, arXiv 2006.09994), table 1: backgrounds are those of ONLY-BG-T, in which the object's box is
filled by tiling the largest background rectangle. Ties are resolved as in the authors' script
(github.com/rabbit-abacus/roleofimagebackgrounds).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

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
    left, right, above, below = box.x0, width - box.x1, box.y0, height - box.y1
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
