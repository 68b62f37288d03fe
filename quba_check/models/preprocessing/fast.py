"""Fast preprocessing: JPEG decoding by torchvision, and resizing of uint8 tensors by torch.

Both release the interpreter's lock and use one thread, so that several images are prepared in parallel.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import IO, cast

import torch
from PIL import Image, ImageFile
from torch import Tensor

from quba_check.models.preprocessing.preprocessing import Preprocessing, Size, array_of, pixels_of

VERSION = 1
"""Increased when the pixels change; part of the cache keys."""
INTERPOLATIONS = ("bilinear", "bicubic")
CROP_MODES = ("center", "center_floor", "squash")

PixelTransform = Callable[[Tensor], Tensor]


def rgb_pixels(image: Image.Image) -> Tensor:
    """Decode an opened image to RGB, (3, H, W) uint8.

    Pillow parses the headers. torchvision decodes JPEG files; what it rejects, and every other format, is
    decoded by Pillow, whose errors pass unchanged. As in Pillow, the orientation in EXIF data is not applied.
    """
    if image.format == "JPEG" and image.mode in ("L", "RGB"):
        file = cast(IO[bytes], cast(ImageFile.ImageFile, image).fp)
        file.seek(0)
        content = torch.frombuffer(bytearray(file.read()), dtype=torch.uint8)
        with contextlib.suppress(RuntimeError):  # truncated, damaged, or with a feature that it lacks
            return decode_jpeg(content)
    return pixels_of(image.convert("RGB"))


def decode_jpeg(content: Tensor) -> Tensor:
    """Decode the bytes of a JPEG file to RGB by torchvision."""
    from quba_check.models.preprocessing import torchvision_decoders

    return torchvision_decoders.decode_jpeg(content)


def can_be_fast(preprocessing: Preprocessing) -> bool:
    """Return True if torch's resize is as accurate as `fast_transform` promises."""
    return preprocessing.interpolation in INTERPOLATIONS and preprocessing.crop_mode in CROP_MODES


def fast_transform(preprocessing: Preprocessing, *, crop: bool) -> PixelTransform:
    """Return the evaluation transform for decoded pixels.

    Args:
        preprocessing: a preprocessing that `can_be_fast`.
        crop: see `Preprocessing.transform`.

    Returns:
        A function from uint8 (3, H, W) to uint8 (3, height, width). Its values differ from those of
        `Preprocessing.transform` by at most 2 levels, and 99.9 % of them by at most 1.
    """
    exact = preprocessing.transform(crop=crop)
    height, width = exact.size

    def transform(pixels: Tensor) -> Tensor:
        size = exact.resized_size((pixels.shape[1], pixels.shape[2]))
        is_padded = size[0] < height or size[1] < width
        if is_padded or _may_be_vertical_first(pixels, size):
            return exact(Image.fromarray(pixels.permute(1, 2, 0).numpy()))
        top, left = exact.corner(size)
        resized = _resize(pixels, size, (top + height, left + width), preprocessing.interpolation)
        cropped = resized[:, top : top + height, left : left + width]
        # numpy copies in this thread; torch would take threads from the model's forward pass.
        return torch.from_numpy(array_of(cropped)).permute(2, 0, 1)

    return transform


def _resize(pixels: Tensor, size: Size, used: Size, interpolation: str) -> Tensor:
    """Return a resized image, or at least the used part from its top left corner.

    `torch.nn.functional.interpolate` calls the same operator, but always computes the whole image.
    """
    channels, height, width = pixels.shape
    if size == (height, width):
        return pixels
    # torch does not resize a side whose old and new lengths are equal, whatever the scale is.
    lengths = [
        whole if part == side else part for part, side, whole in zip(used, (height, width), size, strict=True)
    ]
    # With the stride of a batch, torch sees that the channels come last, and copies nothing.
    batch = pixels.as_strided((1, channels, height, width), (pixels.numel(), *pixels.stride()))
    operator = getattr(torch.ops.aten, f"_upsample_{interpolation}2d_aa")
    resized: Tensor = operator(batch, lengths, False, size[0] / height, size[1] / width)
    return resized[0]


def _may_be_vertical_first(pixels: Tensor, size: Size) -> bool:
    """Return True if Pillow may resize the height before the width.

    torch never does. Values are clipped to [0, 255] between the two passes, so that their order matters.
    Pillow 13 starts with the height if it shrinks by more than twice as many pixels as the width; earlier
    versions never do.
    """
    (height, width), (new_height, new_width) = pixels.shape[1:], size
    return height > new_height and height - new_height >= 2 * (width - new_width)
