"""Objects from masks, and from boxes in which GrabCut segments the object."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from quba_check.errors import SuiteError
from quba_check.suites.example import decode_image
from quba_check.suites.object_focus.objects import (
    Box,
    Cutout,
    Mask,
    Objects,
    Pixels,
    SkipReason,
    alternative_names,
    bounding_box,
    image_name,
    is_too_large,
)
from quba_check.suites.readers.csv_list import csv_rows
from quba_check.suites.readers.listing import IMAGE_SUFFIXES
from quba_check.suites.suite import Example, Suite

COLUMNS = ("path", "x0", "y0", "x1", "y1")
ITERATIONS = 5
SMALLEST_SHARE = 0.1
"""Smallest share of the box for an object; GrabCut has failed if it finds less. Both numbers as published."""


@dataclass(eq=False)
class MaskFolder(Objects):
    """Masks with the names of the clean images and any image suffix.

    Args:
        path: the folder. `<folder>/apple/1.png` or `<folder>/val/apple/1.png` is the mask of
            `val/apple/1.jpg`, and `<folder>/x.npz/images/17.png` that of row 17 of `images` in `x.npz`.
    """

    kind = "masks"
    _paths: dict[int, Path] = field(init=False, default_factory=dict)

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
                raise SuiteError(
                    f"two masks for {image_name(example)}: {both}. Remove one.", where=f"{self.path}"
                )
            if paths:
                self._paths[example.index] = paths[0]
        if not self._paths:
            expected = " or ".join(_stem(name) + ".png" for name in names[0])
            raise SuiteError(
                f"no mask for any of the {len(examples):,} clean images",
                where=f"{self.path}",
                hint=f"Expected: {expected}, and so on.",
            )

    def locate(self, suite: Suite, example: Example) -> Cutout | SkipReason:
        """Read the object of an image from its mask.

        Raises:
            SuiteError: the mask cannot be decoded or has another size than the image.
        """
        path = self._paths.get(example.index)
        if path is None:
            return SkipReason.NO_MASK
        mask = read_mask(path)
        picture = np.asarray(suite.image(example))
        if mask.shape != picture.shape[:2]:
            got, image = (f"{shape[1]} × {shape[0]}" for shape in (mask.shape, picture.shape))
            raise SuiteError(
                "a mask has the size of its image",
                where=f"{path}",
                got=f"{got} for {image_name(example)} ({image})",
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
    return decode_image(lambda: Image.open(path), _mask_of, lambda: str(path), "the mask")


def _mask_of(image: Image.Image) -> Mask:
    levels: NDArray[np.integer[Any]]
    threshold = 127
    if image.mode == "P":
        levels = np.asarray(image)
        threshold = 0
    elif image.has_transparency_data and np.asarray(image.convert("RGBA"))[..., 3].min() <= threshold:
        levels = np.asarray(image.convert("RGBA"))[..., 3]
    elif image.mode.startswith("I"):
        levels = np.asarray(image)
        threshold = np.iinfo(np.int16).max
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


@dataclass(eq=False)
class BoxFile(Objects):
    """Boxes by image, from the columns `path,x0,y0,x1,y1` of a CSV file; other columns are skipped.

    Coordinates are pixels from the upper left corner, `x1` and `y1` excluded; fractions are rounded outwards.
    Rows about other images are skipped. Images with several boxes are left out, as in the published sets.

    Args:
        path: the CSV file. Its paths are relative to the data folder or to the set's own folder.
    """

    kind = "boxes"
    _boxes: dict[int, list[tuple[int, Box]]] = field(init=False, default_factory=dict)

    def prepare(self, suite: Suite, examples: Sequence[Example]) -> None:
        """Read the boxes of the images.

        Raises:
            SuiteError: a column is missing, a coordinate is not a number, a box is empty, or no box belongs
                to an image of the set.
        """
        names = alternative_names(suite, examples)
        indices = {
            name: example.index for example, names_ in zip(examples, names, strict=True) for name in names_
        }
        for line, cells in csv_rows(self.path, COLUMNS):
            box = _box(f"{self.path}:{line}", cells)
            index = indices.get(cells["path"])
            if index is not None:
                self._boxes.setdefault(index, []).append((line, box))
        if not self._boxes:
            expected = " or ".join(names[0])
            raise SuiteError(
                f"no box for any of the {len(examples):,} clean images",
                where=f"{self.path}",
                hint=f"Expected: paths such as {expected}.",
            )

    def locate(self, suite: Suite, example: Example) -> Cutout | SkipReason:
        """Segment the object in an image's box.

        Raises:
            SuiteError: the box reaches outside the image.
        """
        boxes = self._boxes.get(example.index, [])
        if len(boxes) != 1:
            return SkipReason.SEVERAL if boxes else SkipReason.NO_BOX
        ((line, box),) = boxes
        picture = np.asarray(suite.image(example))
        height, width = picture.shape[:2]
        if min(box) < 0 or box.x1 > width or box.y1 > height:
            raise SuiteError(
                "the box reaches outside the image",
                where=f"{self.path}:{line}",
                got=",".join(map(str, box)),
                allowed=f"0 to {width} for x, 0 to {height} for y",
            )
        if is_too_large(box, picture):
            return SkipReason.FILLS
        mask = segment(picture, box)
        return SkipReason.NOT_FOUND if mask is None else Cutout.compress(example, mask, box)


def segment(picture: Pixels, box: Box) -> Mask | None:
    """Segment the object in a box by OpenCV's GrabCut, as published, with a fixed seed.

    Returns:
        The mask; None if GrabCut finds too little, or cannot start on a picture of a few pixels.

    Source: Rother, Kolmogorov, Blake: GrabCut (SIGGRAPH 2004); Xiao et al. (ICLR 2021), table 1.
    """
    import cv2

    mask = np.zeros(picture.shape[:2], np.uint8)
    rectangle = (box.x0, box.y0, box.x1 - box.x0, box.y1 - box.y0)
    cv2.setRNGSeed(0)  # of this thread
    try:
        pixels = np.ascontiguousarray(picture)
        models = np.zeros((2, 1, 65))
        cv2.grabCut(pixels, mask, rectangle, models[0], models[1], ITERATIONS, cv2.GC_INIT_WITH_RECT)
    except cv2.error:
        return None
    is_object: Mask = (mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)
    return is_object if is_object.sum() >= SMALLEST_SHARE * box.area else None


def _box(where: str, row: Mapping[str, str]) -> Box:
    x0, y0, x1, y1 = (_number(where, column, row[column]) for column in COLUMNS[1:])
    if not (x0 < x1 and y0 < y1):
        raise SuiteError(
            "the box is empty",
            where=where,
            got=",".join(row[column] for column in COLUMNS[1:]),
            allowed="x0 < x1 and y0 < y1",
        )
    return Box(math.floor(x0), math.floor(y0), math.ceil(x1), math.ceil(y1))


def _number(where: str, column: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise SuiteError(f"{column} must be a number of pixels", where=where, got=f"'{text}'")
    return number
