"""Copies on this machine of objects that never change.

They are written to their store in the background.
"""

from __future__ import annotations

import os
import time
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from quba_check.storage.atomic import write_atomically
from quba_check.storage.objects import FolderObjects, ObjectStore, StoredFile, least_recently_used

COPIES_BYTES = 20 * 10**9
"""Bytes of predictions that stay on a machine: those of 70 models on 50,000 images under 90 views."""
THREADS = 8
MOST_WAITING = 64
"""Largest number of objects in memory that are not written yet."""
_CHECKS = 10
"""Times that the copies are measured while their limit is filled."""
_SUM_BYTES = 4
_STARTED = time.time()


class LocalCopies(ObjectStore):
    """An object store of which this machine keeps copies.

    A copy ends with a checksum, and a damaged one is read again from the store. Copies that were unused
    longest are removed; those used since this process started stay. An error of a write is raised by a later
    call.

    Args:
        objects: the store. A name stands for the same content at any time.
        folder: folder of the copies.
        limit_bytes: total size of the copies beyond which some are removed.
    """

    def __init__(self, objects: ObjectStore, folder: Path, limit_bytes: int = COPIES_BYTES) -> None:
        self.label = objects.label
        self.listing_seconds = objects.listing_seconds
        self._objects = objects
        self._folder = folder
        self._limit = self._unmeasured = limit_bytes
        self._pool = ThreadPoolExecutor(THREADS, "quba-store")
        self._writes: deque[Future[None]] = deque()

    def get(self, name: str, size: int | None = None) -> bytes:
        """Return the content of an object, from its copy if there is one."""
        path = self._folder / name
        with suppress(OSError):
            content = path.read_bytes()
            if zlib.crc32(content[:-_SUM_BYTES]).to_bytes(_SUM_BYTES) == content[-_SUM_BYTES:]:
                os.utime(path)
                return content[:-_SUM_BYTES][:size]
        content = self._objects.get(name)
        self._keep(name, content)
        return content[:size]

    def create(self, name: str, content: bytes) -> None:
        """Copy an object here, and write it in the background."""
        if not (self._folder / name).exists():
            self._keep(name, content)
        self._write(self._pool.submit(self._objects.create, name, content))

    def set(self, name: str, content: bytes) -> None:
        """Copy an object here, and write it in the background over an earlier one."""
        self._keep(name, content)
        self._write(self._pool.submit(self._objects.set, name, content))

    def list(self, folder: str = "") -> Iterator[StoredFile]:
        """Yield the objects below a folder, once all writes are complete."""
        self.flush()
        yield from self._objects.list(folder)

    def delete(self, *names: str) -> None:
        """Remove objects and their copies, once all writes are complete."""
        self.flush()
        for name in names:
            with suppress(OSError):
                (self._folder / name).unlink()
        self._objects.delete(*names)

    def flush(self) -> None:
        """Wait until all objects are written."""
        while self._writes:
            self._writes.popleft().result()

    def _write(self, write: Future[None]) -> None:
        self._writes.append(write)
        while self._writes[0].done() or len(self._writes) > MOST_WAITING:
            self._writes.popleft().result()
            if not self._writes:
                return

    def _keep(self, name: str, content: bytes) -> None:
        """Write a copy, if this machine has room."""
        path = self._folder / name
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content + zlib.crc32(content).to_bytes(_SUM_BYTES))
        self._unmeasured += len(content)
        if self._unmeasured >= self._limit / _CHECKS:
            self._unmeasured = 0
            copies = list(FolderObjects(self._folder).list())
            excess = sum(copy.size for copy in copies) - self._limit
            for copy in least_recently_used(copies, excess, _STARTED):
                with suppress(OSError):
                    (self._folder / copy.name).unlink()
