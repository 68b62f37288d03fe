"""Decoding of images, with one message for damaged files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from PIL import Image, UnidentifiedImageError

from quba_check.errors import SuiteError, UserError
from quba_check.storage.user_files import reason

Content = TypeVar("Content")


def decode_image(
    open_image: Callable[[], Image.Image], read: Callable[[Image.Image], Content], label: str, what: str
) -> Content:
    """Open an image, read its content, and close it.

    Args:
        open_image: opens the image.
        read: decodes the content.
        label: name of the image in messages.
        what: object of the advice to replace or remove it.

    Raises:
        SuiteError: it is missing or cannot be decoded.
    """
    try:
        with open_image() as image:
            return read(image)
    except UnidentifiedImageError:
        cause = "no image format recognises it"
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001  decoders raise any error for damaged files, also MemoryError
        cause = reason(error) or type(error).__name__
    raise SuiteError(f"cannot be decoded as an image ({cause}). Replace or remove {what}.", where=label)
