"""Preprocessed images on disk: one file a shard, bounded in total size."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
import time
import uuid
import weakref
import zlib
from io import FileIO
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from quba_check.errors import StoreError
from quba_check.storage.user_files import file_kind, reason, remove

Pixels = NDArray[np.uint8]
SUFFIX, UNFINISHED = ".images", ".tmp"
LARGEST_RESERVE = 10**10
"""Most bytes of the disk that stay free. Predictions, records and other programs need them more."""
LOCK_SECONDS = 10.0
ABANDONED_NS = 3600 * 10**9
"""Age of an unfinished file whose process must have died. A shard takes minutes."""
_STARTED_NS = time.time_ns()
_CHECKSUM = np.dtype("<u4")


class ImageFile:
    """The images of one shard in a file, each with a checksum.

    The file is complete, or filled while its images are read.

    Layout: N images (H, W, 3), then N CRC-32 as little-endian uint32. The CRC of an image starts from the
    file's name and the image's position, so that no image passes for another. All methods may be called from
    any thread. Images are read by calls that report errors, not through mapped memory, where an error of the
    disk ends the process.

    Args:
        cache: the cache of the file.
        path: name of the complete file.
        file: the open file: complete, or unfinished under another name.
        shape: (N, H, W, 3).
        unfinished: name of the unfinished file; None if it is complete.

    Attributes:
        is_intact: False once the file is damaged or cannot be written.
    """

    def __init__(
        self,
        cache: ImageCache,
        path: Path,
        file: FileIO,
        shape: tuple[int, int, int, int],
        unfinished: Path | None,
    ) -> None:
        self.path = path
        self.is_intact = True
        self._cache = cache
        self._file = file
        self._shape = shape[1:]
        self._image_bytes = shape[1] * shape[2] * shape[3]
        self._checksums: list[int | None] = [None] * shape[0]
        self._unfinished = unfinished
        self._lock = threading.Lock()
        self._drop = weakref.finalize(self, _close, file, unfinished)  # also when the interpreter ends
        if unfinished is None:
            file.seek(shape[0] * self._image_bytes)
            self._checksums = np.frombuffer(file.read(), _CHECKSUM).tolist()

    def read(self, position: int) -> Pixels | None:
        """Return a copy of an image (H, W, 3); None if missing or damaged.

        A damaged file is removed, so that it is made again by the next pass over its images.
        """
        expected = self._checksums[position]
        if expected is None:
            return None
        pixels = np.empty(self._shape, np.uint8)
        try:
            with self._lock:
                self._file.seek(position * self._image_bytes)
                size = self._file.readinto(pixels.data)
        except ValueError:  # another thread closed it
            return None
        except OSError as error:
            self._damaged(position, reason(error))
            return None
        if size != self._image_bytes or self._checksum(position, pixels) != expected:
            self._damaged(position, "a checksum does not fit its image")
            return None
        return pixels

    def _damaged(self, position: int, damage: str) -> None:
        with self._lock:  # of several threads that find damage, one notes it
            is_first, self.is_intact = self.is_intact, False
        self._checksums[position] = None
        if is_first:
            self._cache.discard(self.path, damage)

    def write(self, position: int, pixels: Pixels) -> None:
        """Add an image (H, W, 3) to a file that is not complete."""
        checksum = self._checksum(position, pixels)
        with self._lock:
            if self._unfinished is None or not self._drop.alive:
                return
            try:
                self._file.seek(position * self._image_bytes)
                _write(self._file, pixels)
            except OSError as error:
                self._stop(error)
                return
            self._checksums[position] = checksum

    def publish(self) -> None:
        """Give the file its name if all images were added."""
        with self._lock:
            if self._unfinished is None or not self._drop.alive or None in self._checksums:
                return
            try:
                self._file.seek(len(self._checksums) * self._image_bytes)
                _write(self._file, np.array(self._checksums, _CHECKSUM))
                self._file.close()  # Windows renames no open file
                self._unfinished.replace(self.path)
                self._file = FileIO(self.path)
            except FileNotFoundError:  # the user deleted the folder, which stops nothing
                self._drop()
                return
            except OSError as error:
                self._stop(error)
                return
            self._unfinished = None
            self._drop.detach()
            self._drop = weakref.finalize(self, _close, self._file, None)

    def close(self) -> None:
        """Close the file; remove it if it is not complete."""
        with self._lock:
            self._drop()

    def _stop(self, error: OSError) -> None:
        self.is_intact = False
        self._cache.stop(reason(error))
        self._drop()

    def _checksum(self, position: int, pixels: Pixels) -> int:
        return zlib.crc32(pixels.data, zlib.crc32(f"{self.path.name}/{position}".encode()))


class ImageCache:
    """A folder of preprocessed images, shared by any number of processes.

    It is optional: if it cannot be written, or has no room, images are not kept. Files that were unused
    longest make room for new ones. Files used since this process started stay, since a run over more images
    than fit would otherwise remove each file just before it is read again.

    Args:
        folder: the folder; created if missing.
        limit_bytes: largest total size of its files; 0 keeps none.

    Attributes:
        notes: notes on damaged files that were removed, and on a folder that cannot be written.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes
        self.notes: list[str] = []
        self._is_stopped = False

    def open(self, key: str, shape: tuple[int, int, int, int]) -> ImageFile | None:
        """Return the file of a key; None if there is no room.

        If no complete file exists, it is a new one without images.

        Args:
            key: hash of all that determines the pixels, as a file name.
            shape: (N, H, W, 3).
        """
        if not self.limit_bytes:
            return None
        path = self.folder / f"{key}{SUFFIX}"
        try:
            return self._kept(path, shape) or self._new(path, shape)
        except (OSError, NotImplementedError, StoreError) as error:  # some file systems have no locks
            self.stop(reason(error))
            return None

    def discard(self, path: Path, damage: str) -> None:
        """Remove a damaged file, unless another thread or process did."""
        if not os.path.lexists(path):
            return
        try:
            remove(path)
        except OSError as error:
            self.stop(reason(error))
            return
        self.notes.append(f"{path}: these prepared images were damaged ({damage}) and are made again.")

    def stop(self, problem: str) -> None:
        """Keep no further images after an error of the disk."""
        if not self._is_stopped:
            self._is_stopped = True
            self.notes.append(f"{self.folder}: prepared images are not kept here ({problem}).")

    def _kept(self, path: Path, shape: tuple[int, int, int, int]) -> ImageFile | None:
        kind = file_kind(path, str(path), StoreError)
        if kind is None:
            return None
        if kind != "file":
            self.discard(path, "it is not a file")
            return None
        try:
            file = FileIO(path)
        except FileNotFoundError:  # another process removed it
            return None
        size = os.fstat(file.fileno()).st_size
        if size != _file_bytes(shape):
            file.close()
            self.discard(path, f"it has {size:,} bytes, not {_file_bytes(shape):,}")
            return None
        with contextlib.suppress(OSError):  # a folder that may only be read
            os.utime(path)
        return ImageFile(self, path, file, shape, None)

    def _new(self, path: Path, shape: tuple[int, int, int, int]) -> ImageFile | None:
        if self._is_stopped:
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / f".{uuid.uuid4().hex}{UNFINISHED}"
        try:
            with FileLock(self.folder / ".lock", timeout=LOCK_SECONDS):
                if not self._make_room(_file_bytes(shape)):
                    return None
                file = FileIO(unfinished, "x+")
                file.truncate(_file_bytes(shape))  # other processes see its final size
        except Timeout:
            return None
        return ImageFile(self, path, file, shape, unfinished)

    def _make_room(self, size: int) -> bool:
        """Remove files until another one fits; return False if it cannot.

        None is removed if all removable ones together are too small.
        """
        if size > self.limit_bytes:
            return False
        disk = shutil.disk_usage(self.folder)
        reserve = min(disk.total // 10, LARGEST_RESERVE)
        files = self._files()
        missing = max(sum(size for _, size, _ in files) + size - self.limit_bytes, reserve + size - disk.free)
        removable = [
            (file_size, path)
            for used_ns, file_size, path in sorted(files)
            if used_ns < _STARTED_NS and path.suffix == SUFFIX
        ]
        if missing > sum(file_size for file_size, _ in removable):
            return False
        for file_size, path in removable:
            if missing <= 0:
                break
            with contextlib.suppress(PermissionError):  # Windows removes no open file
                path.unlink(missing_ok=True)
                missing -= file_size
        return missing <= 0

    def _files(self) -> list[tuple[int, int, Path]]:
        """Return last use, size and path of each file; remove abandoned ones."""
        files = []
        with os.scandir(self.folder) as entries:
            for entry in entries:
                path = Path(entry.path)
                if path.suffix not in (SUFFIX, UNFINISHED) or not entry.is_file(follow_symlinks=False):
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if path.suffix == UNFINISHED and time.time_ns() - status.st_mtime_ns > ABANDONED_NS:
                    path.unlink(missing_ok=True)
                else:
                    files.append((status.st_mtime_ns, status.st_size, path))
        return files


def _file_bytes(shape: tuple[int, int, int, int]) -> int:
    n, height, width, channels = shape
    return n * (height * width * channels + _CHECKSUM.itemsize)


def _write(file: FileIO, content: NDArray[np.generic]) -> None:
    """Write an array; a full disk takes only a part of it."""
    if file.write(content.data) != content.nbytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _close(file: FileIO, unfinished: Path | None) -> None:
    """Close a file, and remove it under the name that it has while unfinished."""
    file.close()
    if unfinished is not None:
        unfinished.unlink(missing_ok=True)
