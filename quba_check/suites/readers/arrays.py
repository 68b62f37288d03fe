"""The reader `arrays`: images and labels in arrays, as of numpy or MNIST."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from quba_check.errors import SuiteError
from quba_check.suites.class_list import ClassList
from quba_check.suites.readers.array_files import Array, array_in
from quba_check.suites.readers.listed import Listed

IMAGES, LABELS = "images", "labels"


def array_images(
    path: Path,
    classes: ClassList,
    *,
    images: str = IMAGES,
    labels: str | Path = LABELS,
    part: tuple[int, int] = (0, 1),
) -> list[Listed]:
    """Images in an array of uint8, (N, H, W) for greyscale or (N, H, W, 3), with an array of N labels.

    Labels that are whole numbers are positions in the class list, text is class names.

    Args:
        path: an `.npz` file with both; or the file of the images alone, `.npy` or idx.
        classes: the class list.
        images: name of the array of images in the `.npz` file.
        labels: name of the array of labels in it; for separate files the path of the other.
        part: (k, n): only the k-th, from 0, of n equal parts.

    Raises:
        SuiteError: a file or array is not there or of another kind, lengths differ, or a label is no class.
    """
    is_pair = isinstance(labels, Path)
    where, said = (str(path), str(labels)) if is_pair else (f"{path}[{images}]", f"{path}[{labels}]")
    pixels = array_in(path) if is_pair else array_in(path, images)
    _check_images(pixels, where)
    stated = _checked_labels(array_in(labels) if isinstance(labels, Path) else array_in(path, labels), said)
    if len(stated) != len(pixels):
        raise SuiteError(f"{said}: got {len(stated)} labels for {len(pixels)} images in {where}.")
    number, parts = part
    if len(pixels) % parts:
        raise SuiteError(
            f"{where}: got {len(pixels)} images. Allowed: a multiple of {parts}, as many of each severity."
        )
    rows = range(number * len(pixels) // parts, (number + 1) * len(pixels) // parts)
    prefix, file = "" if is_pair else f"{images}/", path.as_posix()
    return [
        Listed(file, classes.position(label, f"{said}[{row}]"), member=f"{prefix}{row}")
        for row, label in zip(rows, stated[rows.start : rows.stop].tolist(), strict=True)
    ]


def array_member(path: Path, member: str) -> Image.Image:
    """The image of a row: of `ROW` in a file of one array, of `ARRAY/ROW` in an `.npz` file."""
    name, _, row = member.rpartition("/")
    pixels = np.ascontiguousarray((array_in(path, name) if name else array_in(path))[int(row)])
    return Image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels)


def _check_images(pixels: Array, where: str) -> None:
    shape = " x ".join(map(str, pixels.shape))
    is_image = pixels.ndim == 3 or (pixels.ndim == 4 and pixels.shape[3] in (1, 3))
    if pixels.dtype != np.uint8 or not is_image or not pixels.size:
        raise SuiteError(
            f"{where}: got {pixels.dtype} of {shape or 'one number'}. "
            "Allowed: uint8 of images x height x width, or of images x height x width x 3."
        )


def _checked_labels(labels: Array, where: str) -> Array:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iuUS":
        shape = " x ".join(map(str, labels.shape))
        raise SuiteError(
            f"{where}: got {labels.dtype} of {shape or 'one number'}. "
            "Allowed: a whole number or a class name an image."
        )
    return np.char.decode(labels) if labels.dtype.kind == "S" else labels
