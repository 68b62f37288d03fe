"""Arrays in files: numpy's `.npy` and `.npz`, and idx."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quba_check.errors import SuiteError, did_you_mean, listed
from quba_check.storage.packed_arrays import array_header, unpacked_array
from quba_check.storage.user_files import reason
from quba_check.suites.readers.file_cache import Kept
from quba_check.suites.readers.idx import GZIP, ZEROS, idx_array

_NPY, _NPZ = b"\x93NUMPY", b"PK\x03\x04"
_KEPT = 8
_ZIP_HEADER = 30
Array = NDArray[Any]


def _array(path: Path, name: str = "") -> Array:
    """The array of a file; of an `.npz`, the one of that name. Mapped into memory where nothing is packed.

    Raises:
        SuiteError: there is none, or the file cannot be read.
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
        raise SuiteError(f"{path}: cannot be read ({reason(error)}).") from None
    except Exception:  # noqa: BLE001  whatever numpy and zipfile raise for a damaged file, MemoryError too
        raise SuiteError(
            f"{path}: cannot be read as an array. It is damaged, or holds Python objects."
        ) from None
    if start.startswith((GZIP, ZEROS)):
        return idx_array(path)
    raise SuiteError(f"{path}: not a file of arrays. Allowed: .npy, .npz, or idx, also gzipped, as MNIST's.")


array_in = Kept(_array, _KEPT)
"""The array of a file (of an `.npz`, the one of the given name); the last few are kept."""


def _npz_array(path: Path, name: str) -> Array:
    if not name:
        raise SuiteError(f"{path}: an .npz file holds several arrays. Name it as path: {path.name}.")
    with zipfile.ZipFile(path) as packed:
        names = [entry.removesuffix(".npy") for entry in packed.namelist() if entry.endswith(".npy")]
        if name not in names:
            near = did_you_mean(name, names)
            raise SuiteError(f"{path}: there is no array '{name}' in it.{near} Allowed: {listed(names)}.")
        entry = packed.getinfo(f"{name}.npy")
        if entry.compress_type != zipfile.ZIP_STORED:
            return unpacked_array(packed, entry)
        with packed.open(entry) as file:
            shape, is_fortran, dtype = array_header(file)
            start = _content_start(path, entry) + file.tell()
    return np.memmap(path, dtype, "r", start, shape, "F" if is_fortran else "C")


def _content_start(path: Path, entry: zipfile.ZipInfo) -> int:
    """Where the content of a zip file's entry begins: behind its local header, name and extra field."""
    with path.open("rb") as file:
        file.seek(entry.header_offset + _ZIP_HEADER - 4)
        name, extra = struct.unpack("<HH", file.read(4))
    return entry.header_offset + _ZIP_HEADER + int(name) + int(extra)
