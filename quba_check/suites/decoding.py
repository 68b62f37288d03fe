"""What pictures hold, or why they cannot be decoded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from PIL import Image, UnidentifiedImageError

from quba_check.errors import SuiteError, UserError
from quba_check.storage.user_files import reason

Content = TypeVar("Content")


def decode_image(
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
        words = "no image format recognises it"
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001  decoders raise whatever a damaged file makes them, MemoryError too
        words = reason(error) or type(error).__name__
    raise SuiteError(f"{shown}: cannot be decoded as an image ({words}). Replace or remove {what}.")
