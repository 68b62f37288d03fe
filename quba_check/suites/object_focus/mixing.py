"""Objects taken out of pictures and put before others: pure numbers.

Source: Xiao, Engstrom, Ilyas, Madry: Noise or Signal: The Role of Image Backgrounds in Object Recognition
(ICLR 2021, arXiv 2006.09994), table 1: backgrounds are those of ONLY-BG-T, in which the object's box is
filled by tiling the largest background rectangle. Where several rectangles have the largest area, the rule is
that of the authors' script (github.com/rabbit-abacus/roleofimagebackgrounds).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

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
    """The smallest box around all pixels of a mask; None where it has none.

    >>> bounding_box(np.array([[False, False, False], [False, True, True]]))
    Box(x0=1, y0=1, x1=3, y1=2)
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def without_object(picture: Pixels, box: Box) -> Pixels:
    """The picture with its object's box filled from the background (ONLY-BG-T).

    The filling is the largest rectangle that reaches over the whole height or width beside the box, repeated
    from the picture's upper left corner. Of two as large, the one above or below is taken before that at a
    side, the lower before the upper, the right before the left.

    Args:
        picture: (H, W, 3).
        box: the object's, inside the picture; it leaves at least one row or column free.
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


def fitted(picture: Pixels, width: int, height: int) -> Pixels:
    """The middle of a picture at another size: scaled (bilinear, antialiased) to cover it, then cropped.

    A picture that has the size already is given back as it is.
    """
    have_height, have_width = picture.shape[:2]
    if (have_width, have_height) == (width, height):
        return picture
    scale = min(have_width / width, have_height / height)
    margin_x, margin_y = (have_width - width * scale) / 2, (have_height - height * scale) / 2
    box = (margin_x, margin_y, have_width - margin_x, have_height - margin_y)
    resized = Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR, box=box)
    return np.asarray(resized)


def composite(foreground: Pixels, mask: Mask, background: Pixels) -> Pixels:
    """The masked pixels of one picture, unchanged, before another, which is fitted to its size.

    The edge is hard, as published: no pixel is a blend.

    >>> white, black = np.full((1, 2, 3), 255, np.uint8), np.zeros((1, 2, 3), np.uint8)
    >>> composite(white, np.array([[True, False]]), black)[..., 0].tolist()
    [[255, 0]]
    """
    height, width = mask.shape
    return np.where(mask[..., None], foreground, fitted(background, width, height))
