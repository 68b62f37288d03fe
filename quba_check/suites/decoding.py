"""What pictures hold, or why they cannot be decoded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from PIL import Image, UnidentifiedImageError

from quba_check.errors import SuiteError

Content = TypeVar("Content")


def decoded(
    open_image: Callable[[], Image.Image], read: Callable[[Image.Image], Content], shown: str, what: str
) -> Content:
    """What is read of an image, which is closed then.

    Args:
        open_image: opens it.
        read: decodes it.
        shown: how messages call it.
        what: what the message says to replace or remove.

    Raises:
        SuiteError: it is not there or cannot be decoded.
    """
    try:
        with open_image() as image:
            return read(image)
    except UnidentifiedImageError:
        reason = "no image format recognises it"
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    raise SuiteError(f"{shown}: cannot be decoded as an image ({reason}). Replace or remove {what}.")
