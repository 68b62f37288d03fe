"""Safetensors files, read by ranges of rows."""

from __future__ import annotations

import contextlib
import errno
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from quba_check.errors import StoreError
from quba_check.storage.json_text import parse_json
from quba_check.storage.shard import DamagedShardError
from quba_check.storage.user_files import file_kind, reason

_TYPES = {
    "BOOL": np.dtype(np.bool_),
    **{f"I{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
    **{f"U{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
    **{f"F{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
}
_LARGEST_HEADER = 10**8
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ESTALE)


class TensorFile:
    """An open safetensors file whose header was checked against its size.

    It is read with plain calls and never mapped into memory: another machine that shares the folder may
    remove the file at any time, and then the next access to mapped memory would kill this process.

    Args:
        file: the file, open for reading.

    Attributes:
        metadata: the texts in the header.
        types: dtype of each tensor.
        shapes: shape of each tensor; none is a scalar.

    Raises:
        ValueError: the header is damaged, or does not fit the size of the file.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        self._start = 8 + length
        if self._start > min(size, _LARGEST_HEADER):
            raise ValueError("its header is cut off")
        header = parse_json(file.read(length))
        self.metadata: dict[str, str] = dict(header.pop("__metadata__", {}))
        self.types = {name: _TYPES[tensor["dtype"]] for name, tensor in header.items()}
        self.shapes: dict[str, tuple[int, ...]] = {
            name: tuple(map(int, tensor["shape"])) for name, tensor in header.items()
        }
        self._offsets = {name: int(tensor["data_offsets"][0]) for name, tensor in header.items()}
        end = 0
        for name, begin in sorted(self._offsets.items(), key=lambda item: (item[1], self._size(item[0]))):
            if begin != end or not self.shapes[name] or min(self.shapes[name]) < 0:
                raise ValueError(f"its header is wrong about '{name}'")
            end += self._size(name)
        if self._start + end != size:
            raise ValueError(f"it has {size:,} bytes, but its header states {self._start + end:,}")

    def _size(self, name: str) -> int:
        return math.prod(self.shapes[name]) * self.types[name].itemsize

    def rows(self, name: str, ranges: Sequence[range]) -> NDArray[Any]:
        """Return ranges of rows of a tensor, one after another.

        Raises:
            ValueError: a range is outside the tensor, or the file was shortened.
        """
        count, *shape = self.shapes[name]
        if any(not 0 <= each.start <= each.stop <= count for each in ranges):
            raise ValueError(f"'{name}' has {count:,} rows only")
        array = np.empty((sum(map(len, ranges)), *shape), self.types[name])
        row_size = math.prod(shape) * array.dtype.itemsize
        buffer = array.reshape(-1).view(np.uint8).data
        filled = 0
        for each in ranges:
            self._file.seek(self._start + self._offsets[name] + each.start * row_size)
            end = filled + len(each) * row_size
            if self._file.readinto(buffer[filled:end]) != end - filled:  # type: ignore[attr-defined]
                raise ValueError(f"'{name}' is cut off")
            filled = end
        return array


@contextlib.contextmanager
def tensor_file(path: Path) -> Iterator[TensorFile]:
    """Open a safetensors file; errors while it is open become `DamagedShardError`.

    Raises:
        FileNotFoundError: the file is not there, or another machine removed it.
        DamagedShardError: it is no file, or cannot be read.
    """
    kind = file_kind(path, str(path), DamagedShardError)
    if kind is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    if kind != "file":
        raise DamagedShardError(f"{path}: is not a file")
    try:
        with path.open("rb") as file:
            yield TensorFile(file)
    except (StoreError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001  a damaged header raises errors of many types
        if isinstance(error, OSError) and error.errno in _GONE:
            raise FileNotFoundError(error.errno, reason(error), str(path)) from None
        raise DamagedShardError(f"{path}: cannot be read ({reason(error)})") from None
