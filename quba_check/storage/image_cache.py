"""Preprocessed images on disk: one file a shard, bounded in total size."""

from __future__ import annotations

import contextlib
import io
import math
import os
import shutil
import time
import uuid
import weakref
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from quba_check.storage.atomic import rename
from quba_check.storage.objects import FolderObjects, least_recently_used
from quba_check.storage.user_files import reason, remove

Pixels = NDArray[np.uint8]
ArrayShape = tuple[int, int, int, int]
SUFFIX = ".npy"
UNFINISHED = ".tmp"
LARGEST_RESERVE = 10**10
"""Most bytes of the disk that stay free. Predictions, records and other programs need them more."""
LOCK_SECONDS = 10.0
_STARTED = time.time()
_SUM = np.dtype("<u4")


class KeptImages:
    """The images of one shard, in a complete or a growing file.

    Reading and writing may happen in any thread. If the file is removed meanwhile, its images are missing.

    Args:
        path: the complete file.
        shape: (N, H, W, 3).
        unfinished: the file to fill, which takes the name of the complete one; None if that exists.
        stop: receives an error of the disk.
    """

    def __init__(
        self, path: Path, shape: ArrayShape, unfinished: Path | None, stop: Callable[[OSError], None]
    ) -> None:
        self._path = path
        self._file = unfinished or path
        self._shape = shape
        self._stop = stop
        self._offset = len(_header(shape))
        self._sums = np.zeros(shape[0], _SUM)
        self._has = np.full(shape[0], unfinished is None)
        self._discard = None if unfinished is None else weakref.finalize(self, remove, unfinished)

    def read(self, positions: slice) -> Pixels | None:
        """Return images (n, H, W, 3); None if one is missing."""
        has = self._has[positions]
        if has.all():
            pixels: Pixels = np.empty((len(has), *self._shape[1:]), np.uint8)
            with contextlib.suppress(OSError), self._file.open("rb", buffering=0) as file:
                file.seek(self._offset + positions.start * pixels[0].nbytes)
                if file.readinto(pixels.data) == pixels.nbytes:
                    return pixels
        return None

    def write(self, positions: slice, pixels: Pixels) -> None:
        """Add images (n, H, W, 3), if the file is to be filled."""
        if self._discard is None:
            return
        try:
            with self._file.open("r+b", buffering=0) as file:
                file.seek(self._offset + positions.start * pixels[0].nbytes)
                file.write(pixels.data)
        except OSError as error:
            self._stop(error)
            return
        for position, image in enumerate(pixels, positions.start):
            self._sums[position] = _sum(self._path, position, image)
        self._has[positions] = True

    def finish(self) -> None:
        """Give a filled file its name, if all images were added."""
        if self._discard is None or not self._has.all():
            return
        try:
            with self._file.open("r+b") as file:
                file.seek(-self._sums.nbytes, os.SEEK_END)
                file.write(self._sums.data)
            rename(self._file, self._path)
        except OSError as error:
            self._stop(error)
            return
        self._discard.detach()
        self._discard, self._file = None, self._path


class ImageCache:
    """A folder of preprocessed images, shared by any number of processes.

    It is optional: if it cannot be written, or has no room, images are not kept. Files that were unused
    longest make room for new ones. Files used since this process started stay, since a run over more images
    than fit would otherwise remove each file just before it is read again.

    A file is an `.npy` file of (N, H, W, 3) and a CRC-32 of each image behind it, which starts from the
    file's name and the position, so that no image passes for another.

    Args:
        folder: the folder; created if missing.
        limit_bytes: largest total size of its files; 0 keeps none.

    Attributes:
        notes: a note on a folder that cannot be read or written.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes
        self.notes: list[str] = []
        self._is_stopped = False

    def open(self, key: str, shape: ArrayShape) -> KeptImages | None:
        """Return the images of a key, or a file to fill; None without room.

        Args:
            key: hash of all that determines the pixels, as a file name.
            shape: (N, H, W, 3).
        """
        path = self.folder / f"{key}{SUFFIX}"
        size = _size(shape)
        if size > self.limit_bytes:
            return None
        try:
            if _is_whole(path, shape):
                with contextlib.suppress(OSError):  # a folder that may only be read
                    os.utime(path)
                return KeptImages(path, shape, None, self._stop)
            if self._is_stopped:
                return None
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / ".lock", timeout=LOCK_SECONDS):
                if not self._make_room(size):
                    return None
                unfinished = self.folder / f"{key}.{uuid.uuid4().hex}{UNFINISHED}"
                with unfinished.open("wb") as file:
                    file.write(_header(shape))
                    file.truncate(size)  # it counts with its full size from now on
            return KeptImages(path, shape, unfinished, self._stop)
        except Timeout:
            return None
        except (OSError, NotImplementedError) as error:  # some file systems have no locks
            self._stop(error)
            return None

    def _stop(self, error: OSError | NotImplementedError) -> None:
        """Keep no further images after an error of the disk, other than a removed file."""
        if not self._is_stopped and not isinstance(error, FileNotFoundError):
            self._is_stopped = True
            self.notes.append(f"{self.folder}: prepared images are not kept here ({reason(error)}).")

    def _make_room(self, size: int) -> bool:
        """Remove files until another one fits; return False, and remove none, if it cannot."""
        disk = shutil.disk_usage(self.folder)
        reserve = min(disk.total // 10, LARGEST_RESERVE)
        files = FolderObjects(self.folder).list()
        kept = [file for file in files if file.name.endswith((SUFFIX, UNFINISHED))]
        excess = max(sum(file.size for file in kept) + size - self.limit_bytes, reserve + size - disk.free)
        unused = least_recently_used(kept, excess, _STARTED)
        if sum(file.size for file in unused) < excess:
            return False
        for file in unused:
            with contextlib.suppress(OSError):  # on Windows, another process may read it
                (self.folder / file.name).unlink()
        return True


def _header(shape: ArrayShape) -> bytes:
    """Return the header of an `.npy` file of images."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return header.getvalue()


def _size(shape: ArrayShape) -> int:
    """Return the bytes of a file."""
    return len(_header(shape)) + math.prod(shape) + shape[0] * _SUM.itemsize


def _is_whole(path: Path, shape: ArrayShape) -> bool:
    """Return True if a file holds undamaged images of a shape.

    Raises:
        OSError: it cannot be read.
    """
    if not path.is_file() or path.stat().st_size != _size(shape):
        return False
    header = _header(shape)
    pixels = np.empty(shape[1:], np.uint8)
    sums = np.empty(shape[0], _SUM)
    with path.open("rb", buffering=0) as file:
        if file.read(len(header)) != header:
            return False
        for position in range(shape[0]):
            file.readinto(pixels.data)
            sums[position] = _sum(path, position, pixels)
        return file.read() == sums.tobytes()


def _sum(path: Path, position: int, pixels: Pixels) -> int:
    return zlib.crc32(pixels.data, zlib.crc32(f"{path.name} {position}".encode()))
