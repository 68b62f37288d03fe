"""Sets of files that were copied to this machine, and room for others."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Collection, Iterable, MutableMapping
from pathlib import Path

from filelock import FileLock, Timeout

from quba_check.storage.atomic import write_atomically

_SIZE, _NAMES, _COMPLETE, _READERS = "bytes", "names", "complete", "readers"


class Pin:
    """A lock that a process holds while it uses the files of a set.

    Args:
        path: the lock file, which no other process has.

    Raises:
        OSError: the lock cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path, thread_local=False)
        self._lock.acquire()

    def release(self) -> None:
        """End the use."""
        self._lock.release()
        with contextlib.suppress(OSError):
            self.path.unlink()


class MirroredSet:
    """Notes on the copied files of one set.

    Layout: `bytes` holds the total size; its time is that of the last use. `names` lists the files.
    `complete` exists once all of them are copied. A process holds a lock in `readers/` while it uses them.
    The files themselves are in `files/` two folders above.

    Args:
        folder: the folder of the notes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder.parents[1] / "files"

    @property
    def size(self) -> int:
        """Total size of the files in bytes; 0 if unknown."""
        try:
            return int((self.folder / _SIZE).read_text(encoding="ascii"))
        except (OSError, ValueError):
            return 0

    @property
    def used_ns(self) -> int:
        """Time of the last use in nanoseconds since 1970; 0 if the set was removed."""
        try:
            return (self.folder / _SIZE).stat().st_mtime_ns
        except OSError:
            return 0

    @property
    def is_reserved(self) -> bool:
        """True if the set has its room; files may be missing."""
        return (self.folder / _SIZE).exists()

    @property
    def is_complete(self) -> bool:
        """True if all files are copied."""
        return (self.folder / _COMPLETE).exists()

    def names(self) -> list[str]:
        """Return the names of the files; none if the set was removed."""
        try:
            text = (self.folder / _NAMES).read_text(encoding="utf-8")
        except (OSError, ValueError):
            return []
        return text.split("\0") if text else []

    def reserve(self, names: Iterable[str], size: int) -> None:
        """Take room for files before they are copied.

        Raises:
            OSError: the notes cannot be written.
        """
        write_atomically(self.folder / _NAMES, "\0".join(names).encode())
        write_atomically(self.folder / _SIZE, str(size).encode())

    def set_complete(self, is_complete: bool) -> None:
        """Note that all files are copied, or that some are missing again.

        Raises:
            OSError: the note cannot be written.
        """
        if is_complete:
            (self.folder / _COMPLETE).touch()
        else:
            (self.folder / _COMPLETE).unlink(missing_ok=True)

    def touch(self) -> None:
        """Note the time of use; without effect if the set was removed."""
        if self.is_reserved:
            now = time.time_ns()  # a file system's own clock can be too coarse for the order of two sets
            os.utime(self.folder / _SIZE, ns=(now, now))

    def download_lock(self) -> FileLock:
        """Return the lock of the process that copies the files."""
        return FileLock(self.folder / "download.lock", thread_local=False)

    def pin(self) -> Pin:
        """Keep the files until the pin is released, at the latest when the process ends.

        Raises:
            OSError: the lock cannot be written.
        """
        readers = self.folder / _READERS
        readers.mkdir(parents=True, exist_ok=True)
        return Pin(readers / f"{uuid.uuid4().hex}.lock")

    def is_pinned(self, own: Pin | None = None) -> bool:
        """Return True if a process uses the files; locks of ended processes are removed.

        Args:
            own: a pin that does not count.
        """
        for path in (self.folder / _READERS).glob("*.lock"):
            if own is not None and path == own.path:
                continue
            try:
                with FileLock(path, timeout=0):
                    pass
            except Timeout:
                return True
            path.unlink(missing_ok=True)
        return False

    def remove(self) -> None:
        """Remove the notes, and the files that no other set shares.

        Raises:
            OSError: a file cannot be removed.
        """
        self.set_complete(False)
        others = (MirroredSet(path) for path in self.folder.parent.iterdir() if path != self.folder)
        shared = {name for other in others for name in other.names()}
        for name in self.names():
            if name not in shared:
                (self.root / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder)


def make_room(
    mirror: Path,
    needed: int,
    limit_bytes: int,
    pins: MutableMapping[Path, Pin],
    requested: Collection[Path],
) -> bool:
    """Remove the sets that were unused longest until others fit.

    Call it under a lock that all processes share.

    Args:
        mirror: folder of all copies.
        needed: size of the others in bytes.
        limit_bytes: largest total size.
        pins: pins of this process by set; those of removed sets are released.
        requested: sets of the current request, which stay.

    Returns:
        False if other processes use too many of the sets; then none is removed.

    Raises:
        OSError: a file cannot be removed.
    """
    sets = [MirroredSet(path.parent) for path in mirror.glob(f"*/*/sets/*/{_SIZE}")]
    excess = sum(one.size for one in sets) + needed - limit_bytes
    removable: list[MirroredSet] = []
    for one in sorted(sets, key=lambda one: one.used_ns):
        if excess > 0 and one.folder not in requested and not one.is_pinned(pins.get(one.folder)):
            excess -= one.size
            removable.append(one)
    if excess > 0:
        return False
    for one in removable:
        if own := pins.pop(one.folder, None):
            own.release()
        one.remove()
        _remove_empty_version(one.folder.parents[1], requested)
    return True


def _remove_empty_version(version: Path, requested: Collection[Path]) -> None:
    """Remove the folder of a listing's version after its last set."""
    is_requested = any(folder.is_relative_to(version) for folder in requested)
    if not is_requested and not any((version / "sets").iterdir()):
        shutil.rmtree(version)
