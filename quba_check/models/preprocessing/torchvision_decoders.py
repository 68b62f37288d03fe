"""The decoders of torchvision, from its library alone: importing torchvision takes more than a second.

Import this module where an image is decoded. Of several threads, one loads the library.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.machinery import PathFinder
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

Decoder = Callable[[Tensor], Tensor]
"""A function from the bytes of a file to RGB pixels, (3, H, W) uint8."""
_RGB = 3
"""`ImageReadMode.RGB`."""


def rgb_decoders() -> tuple[Decoder, Decoder]:
    """Return `decode_jpeg` and `decode_image`; torchvision is imported if its library cannot be loaded."""
    with suppress(AttributeError, OSError):
        package: Any = find_spec("torchvision")
        library: Any = PathFinder.find_spec("image", package.submodule_search_locations)
        operators: Any = torch.ops
        operators.load_library(library.origin)
        image = operators.image
        return partial(image.decode_jpeg, mode=_RGB), partial(image.decode_image, mode=_RGB)
    from torchvision import io

    mode = io.ImageReadMode.RGB
    return partial(io.decode_jpeg, mode=mode), partial(io.decode_image, mode=mode)


decode_jpeg, decode_image = rgb_decoders()
