"""The idx format: read back whatever is written, and the exact text for what is wrong."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from support.suites import error_text

from quba_check.suites.readers.arrays import idx_array

TYPES = {"u1": 8, "i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}


def packed(array: NDArray[np.generic]) -> bytes:
    """The file, as the format's description says."""
    kind = TYPES[array.dtype.str.lstrip("|")]
    return bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    array=st.sampled_from(list(TYPES)).flatmap(
        lambda kind: arrays.arrays(np.dtype(kind), arrays.array_shapes(max_dims=4, max_side=4), unique=False)
    ),
    is_gzipped=st.booleans(),
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, array: NDArray[np.generic], is_gzipped: bool
) -> None:
    path = tmp_path_factory.mktemp("idx") / "x"
    path.write_bytes(gzip.compress(packed(array)) if is_gzipped else packed(array))
    read = idx_array(path)
    assert read.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
    assert read.shape == array.shape
    assert read.tobytes() == array.tobytes()


LABELS = packed(np.array([3, 1, 2], np.uint8))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (
            b"\x00\x01\x08\x01" + LABELS[4:],
            "not an idx file, got the beginning 00 01 08 01. Expected: 00 00.",
        ),
        (b"\x00\x00", "not an idx file, got the beginning 00 00. Expected: 00 00."),
        (
            b"\x00\x00\x0a\x01" + LABELS[4:],
            "an idx file of unknown type, got 0x0a. Allowed: 0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e.",
        ),
        (b"\0\0\x08\xff" + LABELS[4:], "an idx file of 255 dimensions. Allowed: at most 8."),
        (LABELS[:6], "an idx file that ends in its header, got 6 of 8 bytes."),
        (LABELS[:-1], "an idx file of 3 numbers has 11 bytes, got 10."),
        (LABELS + b"\x00", "an idx file of 3 numbers has 11 bytes, got 12."),
        (
            packed(np.zeros((2, 3, 4), np.uint8))[:20],
            "an idx file of 2 x 3 x 4 numbers has 40 bytes, got 20.",
        ),
        (gzip.compress(LABELS, mtime=0)[:-9], "cannot be unpacked by gzip. The file is damaged or cut."),
    ],
)
def test_wrong_files(tmp_path: Path, content: bytes, text: str) -> None:
    (tmp_path / "x").write_bytes(content)
    assert error_text(idx_array, tmp_path / "x") == f"{tmp_path}/x: {text}"


def test_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quba_check.storage.packed_arrays.LARGEST_UNPACKED", 1000)
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(bytes(100_000)))
    packed = path.stat().st_size
    assert error_text(idx_array, path) == (
        f"{path}: {packed} bytes that unpack to 100,000. Unpack the file, and name its content instead."
    )
