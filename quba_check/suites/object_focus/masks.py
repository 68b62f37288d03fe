"""Objects from masks: one picture for each clean image, with a bright object."""

from __future__ import annotations

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
    Cutout,
    Objects,
    SkipReason,
    alternative_names,
    image_name,
    is_too_large,
    read_pixels,
)
from quba_check.suites.readers.listing import IMAGE_SUFFIXES
from quba_check.suites.suite import Example, Suite


class MaskFolder(Objects):
    """Masks with the names of the clean images and any image suffix.

    Args:
        path: the folder. `<folder>/apple/1.png` or `<folder>/val/apple/1.png` is the mask of
            `val/apple/1.jpg`, and `<folder>/x.npz/images/17.png` that of row 17 of `images` in `x.npz`.
    """

    kind = "masks"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._paths: dict[int, Path] = {}

    def prepare(self, suite: Suite, examples: Sequence[Example]) -> None:
        """Find the masks of the images.

        Raises:
            SuiteError: the folder cannot be read, has masks for none of the images, or two for one.
        """
        if not self.path.is_dir():
            reason = "is a file, not a folder" if self.path.exists() else "there is no such folder"
            raise SuiteError(f"{reason} of masks.", where=f"{self.path}")
        files = _files_by_stem(self.path)
        names = alternative_names(suite, examples)
        for example, names_of_image in zip(examples, names, strict=True):
            paths = [path for name in names_of_image for path in files.get(_stem(name), ())]
            if len(paths) > 1:
                both = " and ".join(str(path.relative_to(self.path)) for path in paths[:2])
                raise SuiteError(f"{self.path}: two masks for {image_name(example)}: {both}. Remove one.")
            if paths:
                self._paths[example.index] = paths[0]
        if not self._paths:
            expected = " or ".join(_stem(name) + ".png" for name in names[0])
            raise SuiteError(
                f"no mask for any of the {len(examples):,} clean images. Expected: {expected}, and so on.",
                where=f"{self.path}",
            )

    def locate(self, suite: Suite, example: Example) -> Cutout | SkipReason:
        """Read the object of an image from its mask.

        Raises:
            SuiteError: the mask cannot be decoded or has another size than the image.
        """
        path = self._paths.get(example.index)
        if path is None:
            return SkipReason.NO_MASK
        mask, picture = read_mask(path), read_pixels(suite, example)
        if mask.shape != picture.shape[:2]:
            got, image = (f"{shape[1]} × {shape[0]}" for shape in (mask.shape, picture.shape))
            raise SuiteError(
                f"{path}: a mask has the size of its image, got {got} for {image_name(example)} ({image})."
            )
        box = bounding_box(mask)
        if box is None:
            return SkipReason.EMPTY
        return SkipReason.FILLS if is_too_large(box, picture) else Cutout.compress(example, mask, box)


def read_mask(path: Path) -> Mask:
    """Read the object's pixels from a mask.

    In a picture with transparent parts, they are more than half opaque; with a palette, they have any colour
    but its first; else they are brighter than half in any channel. If no pixel is, they are not 0: masks of 0
    and 1, or of numbered objects.

    Raises:
        SuiteError: it cannot be decoded.
    """
    return decode_image(lambda: Image.open(path), _mask_of, str(path), "the mask")


def _mask_of(image: Image.Image) -> Mask:
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
    """Return the image files under a folder, by relative path without suffix."""
    paths: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."):
            paths.setdefault(_stem(path.relative_to(folder).as_posix()), []).append(path)
    return paths


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))
