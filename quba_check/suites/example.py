"""Labelled images of a set, their number, and their decoding."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from quba_check.core.predictions import NO_CLASS
from quba_check.errors import DecodeError, UserError
from quba_check.storage.user_files import reason

if TYPE_CHECKING:
    from PIL import Image

Content = TypeVar("Content")
NextLabel = Callable[[], str]
"""Returns the name of an image in messages."""
JPEG_SUFFIXES = (".jpg", ".jpeg", ".jfif")


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled image of a set.

    Attributes:
        index: its position in the set.
        name: path of its file or container, relative to the suite's root, with forward slashes.
        label: its class in the set's label space.
        texture: class of its second cue in that space; `NO_CLASS` if it has none.
        member: name of the image in the container; None if the file is the image.
        reader: reader that opens the container; None if the file is the image.
        condition: corruption and severity, in views with one condition per image.
        group: name of the images that it belongs to; None if its set declares no groups.
        cells: text of each column that the set's entry names.
        also: further classes that are right answers too.
    """

    index: int
    name: str
    label: int
    texture: int = NO_CLASS
    member: str | None = None
    reader: str | None = None
    condition: tuple[str, int] | None = None
    group: str | None = None
    cells: tuple[str, ...] = ()
    also: tuple[int, ...] = ()

    @property
    def full_name(self) -> str:
        """Name with the member of a container in brackets."""
        return self.name if self.member is None else f"{self.name}[{self.member}]"


@dataclass(frozen=True, slots=True)
class SetCount:
    """Number of images in a set.

    Attributes:
        images: number of images that are evaluated.
        expected: number of published images; None if the manifest does not state it.
        found: number of images in the set, if a limit left some out.
        unread: number of files that look like images and are not read.
        unread_example: name of the first of them.
        groups: number of declared groups of the evaluated images; None if the set declares none.
        slices: content hash of the values in their slice columns; None if the set declares none.
    """

    images: int
    expected: int | None
    found: int | None = None
    unread: int = 0
    unread_example: str = ""
    groups: int | None = None
    slices: str | None = None

    @property
    def unread_text(self) -> str:
        """The files that are not read, as a sentence without its end."""
        if self.unread == 1:
            return f"1 file is not read: {self.unread_example}"
        return f"{self.unread:,} files are not read, such as {self.unread_example}"

    def __add__(self, other: SetCount) -> SetCount:
        is_stated = self.expected is not None and other.expected is not None
        expected = (self.expected or 0) + (other.expected or 0) if is_stated else None
        images = self.images + other.images
        found = (self.found or self.images) + (other.found or other.images)
        return replace(
            self,
            images=images,
            expected=expected,
            found=found if found > images else None,
            unread=self.unread + other.unread,
            unread_example=self.unread_example or other.unread_example,
        )


def open_file(path: str) -> Image.Image:
    """Open an image file without decoding it.

    A JPEG file is read whole, since it is decoded soon.
    """
    from PIL import Image

    if not path.lower().endswith(JPEG_SUFFIXES):
        return Image.open(path)
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123  a Path takes far longer
        return Image.open(io.BytesIO(file.read()))


def decode_image(
    open_image: Callable[[], Image.Image], read: Callable[[Image.Image], Content], label: NextLabel, what: str
) -> Content:
    """Open an image, read its content, and close it.

    Args:
        open_image: opens the image.
        read: decodes the content.
        label: returns the name of the image in messages.
        what: object of the advice to replace or remove it.

    Raises:
        DecodeError: it is missing or cannot be decoded.
    """
    from PIL import UnidentifiedImageError

    try:
        with open_image() as image:
            return read(image)
    except UnidentifiedImageError:
        cause = "no image format recognises it"
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001  decoders raise any error for damaged files, also MemoryError
        cause = reason(error) or type(error).__name__
    raise DecodeError(cause, where=label(), hint=f"Replace or remove {what}.")
