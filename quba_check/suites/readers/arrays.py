"""The reader `arrays`: images and labels in files of numpy, or in idx files.

Source of idx: LeCun, Cortes, Burges, "The MNIST database of handwritten digits", section on file formats. The
header is two zero bytes, a byte for the type, a byte for the number of dimensions, and each dimension in four
bytes; all numbers are big-endian.
"""

from __future__ import annotations

import gzip
import math
import struct
import zipfile
import zlib
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from quba_check.errors import SuiteError
from quba_check.messages import known_names, listed
from quba_check.storage.packed_arrays import array_header, check_unpacked, unpacked_array
from quba_check.storage.user_files import reason
from quba_check.suites.example import Example
from quba_check.suites.label_spaces import ClassList
from quba_check.suites.readers.listing import FileCache, LabelledImage

if TYPE_CHECKING:
    from PIL import Image

IMAGES = "images"
LABELS = "labels"
Array = NDArray[Any]
_NPY = b"\x93NUMPY"
_NPZ = b"PK\x03\x04"
_GZIP = b"\x1f\x8b"
_IDX = b"\x00\x00"
_CACHED = 8
_ZIP_HEADER = 30
_CHUNK = 2**24
MOST_DIMENSIONS = 8
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def _read_array(path: Path, name: str = "") -> Array:
    """Read the array of a file, or a named array of an `.npz`.

    It is memory-mapped if it is not compressed.

    Raises:
        SuiteError: there is no such array, or the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(6)
        if start.startswith(_NPZ):
            return _npz_array(path, name)
        if start == _NPY:
            return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except SuiteError:
        raise
    except OSError as error:
        raise SuiteError(f"cannot be read ({reason(error)}).", where=f"{path}") from None
    except Exception:  # noqa: BLE001  numpy and zipfile raise any error for a damaged file, also MemoryError
        raise SuiteError(
            "cannot be read as an array. It is damaged, or holds Python objects.", where=f"{path}"
        ) from None
    if start.startswith((_GZIP, _IDX)):
        return idx_array(path)
    raise SuiteError(
        "not a file of arrays", where=f"{path}", allowed=".npy, .npz, or idx, also gzipped, as MNIST's"
    )


read_array = FileCache(_read_array, _CACHED)
"""Cached `_read_array`."""


def _npz_array(path: Path, name: str) -> Array:
    if not name:
        raise SuiteError(f"an .npz file holds several arrays. Name it as path: {path.name}.", where=f"{path}")
    with zipfile.ZipFile(path) as packed:
        names = [entry.removesuffix(".npy") for entry in packed.namelist() if entry.endswith(".npy")]
        if name not in names:
            raise SuiteError(f"there is no array '{name}' in it", where=f"{path}", **known_names(name, names))
        entry = packed.getinfo(f"{name}.npy")
        if entry.compress_type != zipfile.ZIP_STORED:
            return unpacked_array(packed, entry)
        with packed.open(entry) as file:
            shape, is_fortran, dtype = array_header(file)
            header_size = file.tell()
    # np.load reads arrays of an .npz into memory: one copy in each process that loads images.
    with path.open("rb") as file:
        file.seek(entry.header_offset + _ZIP_HEADER - 4)
        name_size, extra_size = struct.unpack("<HH", file.read(4))
    start = entry.header_offset + _ZIP_HEADER + name_size + extra_size + header_size
    return np.memmap(path, dtype, "r", start, shape, "F" if is_fortran else "C")


def idx_array(path: Path) -> NDArray[np.generic]:
    """Read the array of an idx file; memory-mapped if it is not gzipped.

    Raises:
        SuiteError: the file is not an idx file, or its length is not the one that its header states.
    """
    error = partial(SuiteError, where=f"{path}")
    with path.open("rb") as file:
        is_packed = file.read(2) == _GZIP
    content = _gunzip(path) if is_packed else np.memmap(path, np.uint8, "r")
    if len(content) < 4 or bytes(content[:2]) != _IDX:
        raise error(
            "not an idx file", got=f"the beginning {bytes(content[:4]).hex(' ')}", hint="Expected: 00 00."
        )
    kind = int(content[2])
    dimensions = int(content[3])
    if kind not in _IDX_TYPES:
        allowed = listed(f"{number:#04x}" for number in _IDX_TYPES)
        raise error("an idx file of unknown type", got=f"{kind:#04x}", allowed=allowed)
    if dimensions > MOST_DIMENSIONS:
        raise error(f"an idx file of {dimensions} dimensions", allowed=f"at most {MOST_DIMENSIONS}")
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise error("an idx file that ends in its header", got=f"{len(content)} of {start} bytes")
    shape = struct.unpack(f">{dimensions}I", bytes(content[4:start]))
    dtype = np.dtype(_IDX_TYPES[kind])
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        size = " x ".join(map(str, shape))
        raise error(f"an idx file of {size} numbers has {expected} bytes", got=f"{len(content)}")
    return content[start:].view(dtype).reshape(shape)


def _gunzip(path: Path) -> NDArray[np.uint8]:
    packed = path.stat().st_size
    content = bytearray()
    try:
        with gzip.open(path) as file:
            while chunk := file.read(_CHUNK):
                content += chunk
                check_unpacked(len(content), packed)
    except (OSError, EOFError, zlib.error):
        raise SuiteError("cannot be unpacked by gzip. The file is damaged or cut.", where=f"{path}") from None
    except ValueError as bomb:
        raise SuiteError(f"{bomb}. Unpack the file, and name its content instead.", where=f"{path}") from None
    return np.frombuffer(content, np.uint8)


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
        label = str(path)
        labels_label = str(labels)
        prefix = ""
        pixels = read_array(path)
        stored_labels = read_array(labels)
    else:
        label = f"{path}[{images}]"
        labels_label = f"{path}[{labels}]"
        prefix = f"{images}/"
        pixels = read_array(path, images)
        stored_labels = read_array(path, labels)
    _check_images(pixels, label)
    stored_labels = _flat_labels(stored_labels, labels_label)
    if len(stored_labels) != len(pixels):
        raise SuiteError(
            where=labels_label, got=f"{len(stored_labels)} labels for {len(pixels)} images in {label}"
        )
    number, parts = part
    if len(pixels) % parts:
        raise SuiteError(
            where=label,
            got=f"{len(pixels)} images",
            allowed=f"a multiple of {parts}, the same number of each severity",
        )
    rows = range(number * len(pixels) // parts, (number + 1) * len(pixels) // parts)
    file = path.as_posix()
    return [
        LabelledImage(file, classes.position(label, f"{labels_label}[{row}]"), member=f"{prefix}{row}")
        for row, label in zip(rows, stored_labels[rows.start : rows.stop].tolist(), strict=True)
    ]


def array_member(path: Path, member: str) -> Image.Image:
    """Return image `ROW` of a single array, or `ARRAY/ROW` of an `.npz` file."""
    from PIL import Image

    name, _, row = member.rpartition("/")
    pixels = np.ascontiguousarray((read_array(path, name) if name else read_array(path))[int(row)])
    return Image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels)


def array_rows(root: Path, examples: Sequence[Example]) -> NDArray[np.uint8] | None:
    """Return images of one array, in RGB, (n, H, W, 3); None for others.

    None, too, if one cannot be read: `array_member` then raises the error with its name.

    Args:
        root: the folder of their files.
        examples: images of one set.
    """
    sources = {(example.reader, example.name, str(example.member).rpartition("/")[0]) for example in examples}
    reader, file, name = next(iter(sources), (None, "", ""))
    if reader != "arrays" or len(sources) != 1:
        return None
    with suppress(Exception):
        array = read_array(root / file, name) if name else read_array(root / file)
        _check_images(array, file)
        images = array[[int(str(example.member).rpartition("/")[2]) for example in examples]]
        colours = images if images.ndim == 4 else images[..., None]
        return np.ascontiguousarray(np.repeat(colours, 3 // colours.shape[3], axis=3))
    return None


def _check_images(pixels: Array, where: str) -> None:
    is_image = pixels.ndim == 3 or (pixels.ndim == 4 and pixels.shape[3] in (1, 3))
    if pixels.dtype != np.uint8 or not is_image or not pixels.size:
        raise SuiteError(
            where=where,
            got=_describe(pixels),
            allowed="uint8 of images x height x width, or of images x height x width x 3",
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
