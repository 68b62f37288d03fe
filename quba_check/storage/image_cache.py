"""Preprocessed images on disk: one file a shard, bounded in total size."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import time
import zlib
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from quba_check.storage.atomic import replacing
from quba_check.storage.objects import FolderObjects, least_recently_used
from quba_check.storage.user_files import reason

Pixels = NDArray[np.uint8]
SUFFIX = ".npy"
LARGEST_RESERVE = 10**10
"""Most bytes of the disk that stay free. Predictions, records and other programs need them more."""
LOCK_SECONDS = 10.0
_STARTED = time.time()
_SUM_BYTES = 4
_MOST_HEADER = 256
"""Bytes of a file besides its images."""


class KeptImages:
    """The images of one shard: all from a file, or filled while they are read.

    All methods may be called from any thread.

    Args:
        shape: (N, H, W, 3).
        images: the images of a file; None to fill them.
    """

    def __init__(self, shape: tuple[int, int, int, int], images: Pixels | None = None) -> None:
        self._images: Pixels = np.empty(shape, np.uint8) if images is None else images
        self._is_new = images is None
        self._has = np.full(shape[0], not self._is_new)

    def read(self, position: int) -> Pixels | None:
        """Return an image (H, W, 3), not to be changed; None if it is missing."""
        return self._images[position] if self._has[position] else None

    def write(self, position: int, pixels: Pixels) -> None:
        """Add an image (H, W, 3)."""
        self._images[position] = pixels
        self._has[position] = True

    def completed(self) -> Pixels | None:
        """Return all images once, if they were filled."""
        if not self._is_new or not self._has.all():
            return None
        self._is_new = False
        return self._images


class ImageCache:
    """A folder of preprocessed images, shared by any number of processes.

    It is optional: if it cannot be written, or has no room, images are not kept. Files that were unused
    longest make room for new ones. Files used since this process started stay, since a run over more images
    than fit would otherwise remove each file just before it is read again.

    A file is an `.npy` file of (N, H, W, 3) and a CRC-32 behind it, which starts from the file's name, so
    that no file passes for another.

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

    def open(self, key: str, shape: tuple[int, int, int, int]) -> KeptImages | None:
        """Return the kept images of a key; None if none can be kept.

        Args:
            key: hash of all that determines the pixels, as a file name.
            shape: (N, H, W, 3).
        """
        path = self._path(key)
        if math.prod(shape) + _MOST_HEADER > self.limit_bytes:
            return None
        try:
            images = _read(path, shape)
            if images is not None:
                with contextlib.suppress(OSError):  # a folder that may only be read
                    os.utime(path)
                return KeptImages(shape, images)
        except FileNotFoundError:  # another process removed it
            pass
        except OSError as error:
            self._stop(reason(error))
        return None if self._is_stopped else KeptImages(shape)

    def keep(self, key: str, images: Pixels) -> None:
        """Write the images of a key, if there is room."""
        path, size = self._path(key), images.nbytes + _MOST_HEADER
        if self._is_stopped or size > self.limit_bytes:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / ".lock", timeout=LOCK_SECONDS):
                if not self._make_room(size):
                    return
                with replacing(path) as unfinished, unfinished.open("wb") as file:
                    np.save(file, images)
                    file.write(_sum(path, images))
        except Timeout:
            return
        except (OSError, NotImplementedError) as error:  # some file systems have no locks
            self._stop(reason(error))

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{SUFFIX}"

    def _stop(self, problem: str) -> None:
        """Keep no further images after an error of the disk."""
        if not self._is_stopped:
            self._is_stopped = True
            self.notes.append(f"{self.folder}: prepared images are not kept here ({problem}).")

    def _make_room(self, size: int) -> bool:
        """Remove files until another one fits; return False, and remove none, if it cannot."""
        disk = shutil.disk_usage(self.folder)
        reserve = min(disk.total // 10, LARGEST_RESERVE)
        kept = [file for file in FolderObjects(self.folder).list() if file.name.endswith(SUFFIX)]
        excess = max(sum(file.size for file in kept) + size - self.limit_bytes, reserve + size - disk.free)
        unused = least_recently_used(kept, excess, _STARTED)
        if sum(file.size for file in unused) < excess:
            return False
        for file in unused:
            (self.folder / file.name).unlink(missing_ok=True)
        return True


def _read(path: Path, shape: tuple[int, int, int, int]) -> Pixels | None:
    """Return the images of a file; None if it is missing or damaged.

    Raises:
        OSError: it cannot be read.
    """
    if not path.is_file():
        return None
    with path.open("rb") as file:
        try:
            images: Pixels = np.load(file, allow_pickle=False)
            expected = file.read()
        except OSError:
            raise
        except Exception:  # noqa: BLE001  a damaged header raises errors of many types
            return None
    is_whole = images.shape == shape and images.dtype == np.uint8 and _sum(path, images) == expected
    return images if is_whole else None


def _sum(path: Path, images: Pixels) -> bytes:
    return zlib.crc32(images.data, zlib.crc32(path.name.encode())).to_bytes(_SUM_BYTES)
