"""The reader `arrays`: images and labels in arrays, as of numpy or MNIST."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from quba_check.errors import SuiteError
from quba_check.suites.class_list import ClassList
from quba_check.suites.readers.array_files import Array, read_array
from quba_check.suites.readers.listing import LabelledImage

IMAGES, LABELS = "images", "labels"


def array_images(
    path: Path,
    classes: ClassList,
    *,
    images: str = IMAGES,
    labels: str | Path = LABELS,
    part: tuple[int, int] = (0, 1),
) -> list[LabelledImage]:
    """List the images of a uint8 array, (N, H, W) or (N, H, W, 3).

    Labels are positions in the class list if they are whole numbers, class names if they are text.

    Args:
        path: an `.npz` file with both arrays, or a file of the images alone, `.npy` or idx.
        classes: the class list.
        images: name of the array of images in the `.npz` file.
        labels: name of the array of labels in it, or the path of a separate file of labels.
        part: (k, n): only the k-th, counted from 0, of n equal parts.

    Raises:
        SuiteError: a file or array is missing or of another kind, lengths differ, or a label is unknown.
    """
    if isinstance(labels, Path):
        label, labels_label, prefix = str(path), str(labels), ""
        pixels, stored_labels = read_array(path), read_array(labels)
    else:
        label, labels_label, prefix = f"{path}[{images}]", f"{path}[{labels}]", f"{images}/"
        pixels, stored_labels = read_array(path, images), read_array(path, labels)
    _check_images(pixels, label)
    stored_labels = _flat_labels(stored_labels, labels_label)
    if len(stored_labels) != len(pixels):
        raise SuiteError(
            where=labels_label, got=f"{len(stored_labels)} labels for {len(pixels)} images in {label}"
        )
    number, parts = part
    if len(pixels) % parts:
        raise SuiteError(
            f"got {len(pixels)} images. Allowed: a multiple of {parts}, the same number of each severity.",
            where=label,
        )
    rows = range(number * len(pixels) // parts, (number + 1) * len(pixels) // parts)
    file = path.as_posix()
    return [
        LabelledImage(file, classes.position(label, f"{labels_label}[{row}]"), member=f"{prefix}{row}")
        for row, label in zip(rows, stored_labels[rows.start : rows.stop].tolist(), strict=True)
    ]


def array_member(path: Path, member: str) -> Image.Image:
    """Return image `ROW` of a single array, or `ARRAY/ROW` of an `.npz` file."""
    name, _, row = member.rpartition("/")
    pixels = np.ascontiguousarray((read_array(path, name) if name else read_array(path))[int(row)])
    return Image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels)


def _check_images(pixels: Array, where: str) -> None:
    is_image = pixels.ndim == 3 or (pixels.ndim == 4 and pixels.shape[3] in (1, 3))
    if pixels.dtype != np.uint8 or not is_image or not pixels.size:
        raise SuiteError(
            f"{where}: got {_describe(pixels)}. "
            "Allowed: uint8 of images x height x width, or of images x height x width x 3."
        )


def _flat_labels(labels: Array, where: str) -> Array:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iuUS":
        raise SuiteError(
            where=where, got=_describe(labels), allowed="a whole number or a class name for each image"
        )
    return np.char.decode(labels) if labels.dtype.kind == "S" else labels


def _describe(array: Array) -> str:
    return f"{array.dtype} of {' x '.join(map(str, array.shape)) or 'one number'}"
