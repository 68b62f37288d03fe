"""Arrays in zip files, read without trust in the sizes they state."""

from __future__ import annotations

import math
import zipfile
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

LARGEST_UNPACKED = 2**30
MOST_RATIO = 100
"""Packed images are a few times smaller than their pixels. A far larger ratio marks a zip bomb."""


def check_unpacked(unpacked: int, packed: int) -> None:
    """Raise an error for content far larger than its file.

    Args:
        unpacked: size of the content in bytes, as stated in the file.
        packed: size of the file in bytes.

    Raises:
        ValueError: the content is more than 1 GiB and more than 100 times its packed size.
    """
    if unpacked > max(LARGEST_UNPACKED, MOST_RATIO * packed):
        raise ValueError(f"{packed:,} bytes that unpack to {unpacked:,}")


def array_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, Fortran order and dtype from the header of an `.npy` file.

    Raises:
        ValueError: the header is damaged, or the array holds Python objects.
    """
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_fortran, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("an array of Python objects")
    return shape, is_fortran, dtype


def unpacked_array(packed: zipfile.ZipFile, entry: zipfile.ZipInfo) -> NDArray[Any]:
    """Return an array of an `.npz` file after checking its header.

    Raises:
        ValueError: the header states more than the entry holds, the entry is a zip bomb, or it holds objects.
        Exception: any error of zipfile and numpy for damaged files.
    """
    check_unpacked(entry.file_size, entry.compress_size)
    with packed.open(entry) as file:
        shape, _, dtype = array_header(file)
        if file.tell() + math.prod(shape) * dtype.itemsize > entry.file_size:
            raise ValueError("fewer numbers than the header claims")
    with packed.open(entry) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return array
