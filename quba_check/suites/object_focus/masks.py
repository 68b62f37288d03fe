"""Masks: a folder with one picture for each clean image, in which the object is bright."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from quba_check.errors import SuiteError
from quba_check.suites.decoding import decode_image
from quba_check.suites.object_focus.mixing import Mask, bounding_box
from quba_check.suites.object_focus.objects import (
    LeftOut,
    Located,
    image_name,
    is_too_large,
    names_of,
    pixels_of,
)
from quba_check.suites.readers.paths import IMAGE_SUFFIXES
from quba_check.suites.suite import Example, Suite


class MaskFolder:
    """Masks named as the clean images are, with any image suffix.

    Args:
        folder: where they are; `<folder>/apple/1.png` or `<folder>/val/apple/1.png` is the mask of
            `val/apple/1.jpg`, and `<folder>/x.npz/images/17.png` that of row 17 of `images` in `x.npz`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._paths: dict[int, Path] = {}

    @property
    def shown(self) -> str:
        """`masks FOLDER`."""
        return f"masks {self.folder.absolute()}"

    def prepare(self, suite: Suite, examples: Sequence[Example]) -> None:
        """Find the masks of the images.

        Raises:
            SuiteError: the folder cannot be read, has masks for none of the images, or two for one.
        """
        if not self.folder.is_dir():
            reason = "is a file, not a folder" if self.folder.exists() else "there is no such folder"
            raise SuiteError(f"{self.folder}: {reason} of masks.")
        files = _files_by_stem(self.folder)
        names = names_of(suite, examples)
        for example, known_as in zip(examples, names, strict=True):
            found = [path for name in known_as for path in files.get(_stem(name), ())]
            if len(found) > 1:
                both = " and ".join(str(path.relative_to(self.folder)) for path in found[:2])
                raise SuiteError(f"{self.folder}: two masks for {image_name(example)}: {both}. Remove one.")
            if found:
                self._paths[example.index] = found[0]
        if not self._paths:
            expected = " or ".join(_stem(name) + ".png" for name in names[0])
            raise SuiteError(
                f"{self.folder}: no mask for any of the {len(examples):,} clean images. "
                f"Expected: {expected}, and so on."
            )

    def locate(self, suite: Suite, example: Example) -> Located | LeftOut:
        """The object of an image, and the box around it.

        Raises:
            SuiteError: the mask cannot be decoded or has another size than the image.
        """
        path = self._paths.get(example.index)
        if path is None:
            return LeftOut.NO_MASK
        mask, picture = read_mask(path), pixels_of(suite, example)
        if mask.shape != picture.shape[:2]:
            got, image = (f"{shape[1]} × {shape[0]}" for shape in (mask.shape, picture.shape))
            raise SuiteError(
                f"{path}: a mask has the size of its image, got {got} for {image_name(example)} ({image})."
            )
        box = bounding_box(mask)
        if box is None:
            return LeftOut.EMPTY
        return LeftOut.FILLS if is_too_large(box, picture) else Located(mask, box)


def read_mask(path: Path) -> Mask:
    """Where a picture says that the object is.

    Of a picture with transparent parts, what is more than half opaque; of one with a palette, all but its
    first colour; else what is brighter than half in any channel. Where nothing is above half, what is not 0:
    masks of 0 and 1, numbered objects.

    Raises:
        SuiteError: it cannot be decoded.
    """
    return decode_image(lambda: Image.open(path), _object_in, str(path), "the mask")


def _object_in(image: Image.Image) -> Mask:
    levels: NDArray[np.integer[Any]]
    threshold = 127
    if image.mode == "P":
        levels, threshold = np.asarray(image), 0
    elif image.has_transparency_data and np.asarray(image.convert("RGBA"))[..., 3].min() <= threshold:
        levels = np.asarray(image.convert("RGBA"))[..., 3]
    elif image.mode.startswith("I"):
        levels, threshold = np.asarray(image), np.iinfo(np.int16).max
    else:
        levels = np.asarray(image.convert("RGB")).max(axis=2)
    if levels.max() <= threshold:
        threshold = 0
    mask: Mask = levels > threshold
    return mask


def _files_by_stem(folder: Path) -> dict[str, list[Path]]:
    """Image files under a folder by their path in it without suffix."""
    found: dict[str, list[Path]] = {}
    for where, _, files in os.walk(folder):
        for name in sorted(files):
            if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith("."):
                path = Path(where, name)
                found.setdefault(_stem(path.relative_to(folder).as_posix()), []).append(path)
    return found


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))
