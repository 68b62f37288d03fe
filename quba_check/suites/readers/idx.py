"""The idx format, in which MNIST and its kin are published: an array after a header of its type and shape.

Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits", section on file formats. The header
is two zero bytes, a byte for the type, a byte for the number of dimensions, and each dimension in four bytes;
all numbers have their highest byte first.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from quba_check.errors import SuiteError, listed
from quba_check.storage.packed_arrays import check_unpacked

GZIP = b"\x1f\x8b"
ZEROS = b"\x00\x00"
_CHUNK = 2**24
MOST_DIMENSIONS = 8
_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def idx_array(path: Path) -> NDArray[np.generic]:
    """The array in an idx file; mapped into memory, or, if the file is gzipped, read.

    Raises:
        SuiteError: the file is no idx file or has not the length that its header says.
    """
    with path.open("rb") as file:
        is_packed = file.read(2) == GZIP
    content = _unpacked(path) if is_packed else np.memmap(path, np.uint8, "r")
    if len(content) < 4 or bytes(content[:2]) != ZEROS:
        raise SuiteError(
            f"{path}: not an idx file, got the beginning {bytes(content[:4]).hex(' ')}. Expected: 00 00."
        )
    kind, dimensions = int(content[2]), int(content[3])
    if kind not in _TYPES:
        allowed = listed(f"{number:#04x}" for number in _TYPES)
        raise SuiteError(f"{path}: an idx file of unknown type, got {kind:#04x}. Allowed: {allowed}.")
    if dimensions > MOST_DIMENSIONS:
        raise SuiteError(
            f"{path}: an idx file of {dimensions} dimensions. Allowed: at most {MOST_DIMENSIONS}."
        )
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise SuiteError(f"{path}: an idx file that ends in its header, got {len(content)} of {start} bytes.")
    shape = struct.unpack(f">{dimensions}I", bytes(content[4:start]))
    dtype = np.dtype(_TYPES[kind])
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        size = " x ".join(map(str, shape))
        raise SuiteError(f"{path}: an idx file of {size} numbers has {expected} bytes, got {len(content)}.")
    return content[start:].view(dtype).reshape(shape)


def _unpacked(path: Path) -> NDArray[np.uint8]:
    packed, content = path.stat().st_size, bytearray()
    try:
        with gzip.open(path) as file:
            while part := file.read(_CHUNK):
                content += part
                check_unpacked(len(content), packed)
    except (OSError, EOFError, zlib.error):
        raise SuiteError(f"{path}: cannot be unpacked by gzip. The file is damaged or cut.") from None
    except ValueError as bomb:
        raise SuiteError(f"{path}: {bomb}. Unpack the file, and name what is in it.") from None
    return np.frombuffer(content, np.uint8)
