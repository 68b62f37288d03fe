"""The decoders of torchvision, from its library alone: importing torchvision takes more than a second.

Import this module where an image is decoded. Of several threads, one loads the library.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.machinery import PathFinder
from importlib.util import find_spec
from typing import Any, cast

import torch
from torch import Tensor


def rgb_decoder(name: str) -> Callable[[Tensor], Tensor]:
    """Return a function of `torchvision.io` that decodes the bytes of a file.

    torchvision is imported if its library cannot be loaded alone.

    Args:
        name: `decode_jpeg` or `decode_image`.

    Returns:
        A function that returns RGB pixels, (3, H, W) uint8, and raises RuntimeError.
    """
    with suppress(AttributeError, OSError):
        folder = cast(Any, find_spec("torchvision")).submodule_search_locations
        library: Any = PathFinder.find_spec("image_stable", folder) or PathFinder.find_spec("image", folder)
        operators: Any = torch.ops
        operators.load_library(library.origin)
        return partial(getattr(operators.image, name), mode=3)  # the value of ImageReadMode.RGB
    from torchvision import io

    return partial(getattr(io, name), mode=io.ImageReadMode.RGB)


decode_jpeg, decode_image = map(rgb_decoder, ("decode_jpeg", "decode_image"))
