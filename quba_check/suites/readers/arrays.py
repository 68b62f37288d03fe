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
    path: Path, classes: ClassList, *, images: str = IMAGES, labels: str | Path = LABELS
) -> list[Listed]:
    """Images in an array of uint8, (N, H, W) for greyscale or (N, H, W, 3), with an array of N labels.

    Labels that are whole numbers are positions in the class list, text is class names.

    Args:
        path: an `.npz` file with both; or the file of the images alone, `.npy` or idx.
        classes: the class list.
        images: name of the array of images in the `.npz` file.
        labels: name of the array of labels in it; for separate files the path of the other.

    Raises:
        SuiteError: a file or array is not there or of another kind, lengths differ, or a label is no class.
    """
    is_pair = isinstance(labels, Path)
    pixels = array_in(path) if is_pair else array_in(path, images)
    where = str(path) if is_pair else f"{path}[{images}]"
    _check_images(pixels, where)
    said = str(labels) if is_pair else f"{path}[{labels}]"
    positions = _positions(
        array_in(labels) if isinstance(labels, Path) else array_in(path, labels), said, classes
    )
    if len(positions) != len(pixels):
        raise SuiteError(f"{said}: got {len(positions)} labels for {len(pixels)} images in {where}.")
    prefix, file = "" if is_pair else f"{images}/", path.as_posix()
    return [Listed(file, label, member=f"{prefix}{row}") for row, label in enumerate(positions)]


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


def _positions(labels: Array, where: str, classes: ClassList) -> list[int]:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iuUS":
        shape = " x ".join(map(str, labels.shape))
        raise SuiteError(
            f"{where}: got {labels.dtype} of {shape or 'one number'}. "
            "Allowed: a whole number or a class name an image."
        )
    values = np.char.decode(labels) if labels.dtype.kind == "S" else labels
    return [classes.position(label, f"{where}[{row}]") for row, label in enumerate(values.tolist())]
