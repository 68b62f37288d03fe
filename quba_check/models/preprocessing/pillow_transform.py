"""timm's evaluation transform with Pillow alone: resize, crop, pixels.

timm and torchvision call Pillow too, so the pixels are the same bit for bit. Their import takes longer than
loading a small model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

Size = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True, slots=True)
class PillowTransform:
    """Resizes an image, crops its centre, and returns its pixels.

    Attributes:
        size: of the result.
        interpolation: name of Pillow's filter in lower case.
        crop_pct: side of the crop as a share of the resized image's.
        crop_mode: `center`, `squash` or `border`; see `Preprocessing`.
        border: colour around an image that is smaller than the crop, 0 to 255.
        crop: False resizes to `size` without a crop.
    """

    size: Size
    interpolation: str
    crop_pct: float
    crop_mode: str
    border: tuple[int, int, int] = (0, 0, 0)
    crop: bool = True

    def __call__(self, image: Image.Image) -> Tensor:
        """Return an RGB image as a uint8 tensor of shape (3, height, width)."""
        height, width = self.resized_size((image.height, image.width))
        if (height, width) != (image.height, image.width):
            image = image.resize((width, height), Image.Resampling[self.interpolation.upper()])
        return self.cropped(image)

    def cropped(self, image: Image.Image) -> Tensor:
        """Return the middle of a resized image, uint8 (3, height, width)."""
        return pixels_of(image if (image.height, image.width) == self.size else self._centre(image))

    def resized_size(self, image: Size) -> Size:
        """Return the size of an image after the resize and before the crop."""
        if not self.crop:
            return self.size
        height, width = (math.floor(side / self.crop_pct) for side in self.size)
        if self.crop_mode == "squash":
            return height, width
        if self.crop_mode == "center" and height == width:  # torchvision's resize of the shorter side
            longer = int(height * max(image) / min(image))
            return (longer, height) if image[0] > image[1] else (height, longer)
        choose = max if self.crop_mode == "border" else min
        ratio = choose(image[0] / height, image[1] / width)
        return round(image[0] / ratio), round(image[1] / ratio)

    def corner(self, image: Size) -> tuple[int, int]:
        """Return top and left of the crop, negative where the resized image is smaller."""
        return _offset(image[0], self.size[0]), _offset(image[1], self.size[1])

    def _centre(self, image: Image.Image) -> Image.Image:
        """Return the middle of an image, with a border if the image is too small."""
        height, width = self.size
        top, left = self.corner((image.height, image.width))
        if image.height >= height and image.width >= width:
            return image.crop((left, top, left + width, top + height))
        canvas = Image.new("RGB", (width, height), self.border)
        canvas.paste(image, (-left, -top))
        return canvas


def pixels_of(image: Image.Image) -> Tensor:
    """Return an RGB image as a uint8 tensor of shape (3, height, width)."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def _offset(side: int, crop: int) -> int:
    """Return the first pixel of a central crop, negative for a shorter side.

    It is rounded as by torchvision.
    """
    return round((side - crop) / 2) if side >= crop else -((crop - side) // 2)
