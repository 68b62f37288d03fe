"""Stores of bytes by name: the abstract class, a folder, and copies of another store."""

from __future__ import annotations

import os
import stat
import time
import zlib
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from quba_check.errors import StoreError
from quba_check.storage.atomic import write_atomically
from quba_check.storage.user_files import os_errors, reason

COPIES_BYTES = 20 * 10**9
"""Bytes of predictions that stay on a machine: those of 70 models on 50,000 images under 90 views."""
THREADS = 8
MOST_WAITING = 64
"""Largest number of objects in memory that are not written yet."""
_CHECKS = 10
"""Times that the copies are measured while their limit is filled."""
_SUM_BYTES = 4
_STARTED = time.time()


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An object of a store.

    Attributes:
        name: relative to the store, with slashes, such as `runs/demo.json`.
        size: in bytes.
        modified: Unix time of the last change.
        version: text that changes with the content, if the store has one.
    """

    name: str
    size: int
    modified: float
    version: str = ""


class ObjectStore(ABC):
    """Objects by name. Readers see an object whole: the old content or the new.

    Instances may be used from any thread.

    Attributes:
        label: folder or URL, for messages, without a password.
        listing_seconds: age up to which a listing may be used again.
    """

    label: str
    listing_seconds = 0.0

    @abstractmethod
    def get(self, name: str, size: int | None = None) -> bytes:
        """Return the content of an object, or its first `size` bytes.

        Raises:
            FileNotFoundError: there is no such object.
            UserError: it cannot be read.
        """

    @abstractmethod
    def create(self, name: str, content: bytes) -> None:
        """Write an object that does not exist; one of the same name stays.

        Raises:
            UserError: it cannot be written.
        """

    @abstractmethod
    def set(self, name: str, content: bytes) -> None:
        """Write an object, over an earlier one of the same name.

        Raises:
            UserError: it cannot be written.
        """

    @abstractmethod
    def list(self, folder: str = "") -> Iterator[StoredFile]:
        """Yield the objects below a folder, such as `runs`; by default all, in no order.

        Raises:
            UserError: they cannot be listed.
        """

    @abstractmethod
    def delete(self, *names: str) -> None:
        """Remove objects, if they exist.

        Raises:
            UserError: one cannot be removed.
        """

    def flush(self) -> None:  # noqa: B027  most have nothing to do
        """Complete all writes.

        Raises:
            UserError: one failed.
        """


class FolderObjects(ObjectStore):
    """Objects as files below a folder.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.label = str(root)

    def get(self, name: str, size: int | None = None) -> bytes:
        """Return the content of a file, or its first `size` bytes."""
        path = self.path(name)
        try:
            with path.open("rb") as file:
                return file.read(-1 if size is None else size)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileNotFoundError(error.errno, reason(error), str(path)) from None
        except OSError as error:
            raise StoreError(f"{path} cannot be read ({reason(error)}).", where="--quba-store") from None

    def create(self, name: str, content: bytes) -> None:
        """Write a file unless it exists. Of two writers at once, either may come last."""
        if not self.path(name).is_file():
            self.set(name, content)

    def set(self, name: str, content: bytes) -> None:
        """Write a file atomically."""
        path = self.path(name)
        with os_errors(f"{path} cannot be written", StoreError, where="--quba-store"):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)

    def list(self, folder: str = "") -> Iterator[StoredFile]:
        """Yield all files below a folder, hidden ones included; links are neither followed nor listed."""
        for parent, _, names in os.walk(self.path(folder) if folder else self.root):
            prefix = Path(parent).relative_to(self.root).as_posix()
            for name in names:
                with suppress(OSError):
                    status = os.lstat(os.path.join(parent, name))  # noqa: PTH118  a Path takes far longer
                    if stat.S_ISREG(status.st_mode):
                        path = f"{prefix}/{name}".removeprefix("./")
                        yield StoredFile(path, status.st_size, status.st_mtime)

    def delete(self, *names: str) -> None:
        """Remove files, if they exist. Empty folders stay: another process may be about to write."""
        for path in map(self.path, names):
            with os_errors(f"{path} cannot be removed", StoreError, where="--quba-store"):
                path.unlink(missing_ok=True)

    def path(self, name: str) -> Path:
        """Return the path of a name.

        Raises:
            StoreError: the name leads out of the folder.
        """
        place = Path(name)
        if not place.parts or ".." in place.parts or place.anchor:
            raise StoreError(f"'{name}' is no name of a file in {self.root}.", where="--quba-store")
        return self.root / place


class Evictable(Protocol):
    """A file, or several that are removed together."""

    @property
    def size(self) -> int:
        """Size in bytes."""

    @property
    def modified(self) -> float:
        """Unix time of the last use."""


Candidate = TypeVar("Candidate", bound=Evictable)


def least_recently_used(
    candidates: Iterable[Candidate], excess: float, before: float = float("inf")
) -> list[Candidate]:
    """Return the candidates to remove, those that were unused longest first.

    Args:
        candidates: files that may be removed.
        excess: bytes that are too many; all candidates together may have fewer.
        before: Unix time; what was used since then stays.
    """
    selected = []
    for candidate in sorted(candidates, key=lambda each: each.modified):
        if excess <= 0 or candidate.modified >= before:
            break
        selected.append(candidate)
        excess -= candidate.size
    return selected


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
        while self._writes and (self._writes[0].done() or len(self._writes) > MOST_WAITING):
            self._writes.popleft().result()

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
