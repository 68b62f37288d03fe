"""Content digests of files, remembered so that a second run does not read millions of images again."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

from filelock import FileLock

from quba_check.errors import StoreError, SuiteError

BATCH = 500
"""Files looked up, read and remembered in one transaction: what a killed run may lose."""
READERS = 4
CLOCK_TICK_NS = 20_000_000
"""Within this time a file may change without its mtime showing it: digests of younger files are not kept."""
BUSY_SECONDS = 60.0
_TABLE = """CREATE TABLE IF NOT EXISTS digests_1 (
    path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, inode INTEGER, digest TEXT
) WITHOUT ROWID"""


@dataclass(frozen=True, slots=True)
class _Stamp:
    """What tells without reading that a file is the one that was digested."""

    size: int
    mtime_ns: int
    inode: int


class ContentDigests:
    """BLAKE2b-128 digests of file contents, cached in an SQLite file by (path, size, mtime_ns, inode).

    A changed file gets another digest; a file that was only touched is read again and keeps its digest.
    Several processes and threads may use one cache. A damaged one is made anew: it holds nothing that cannot
    be computed again.

    Args:
        path: the SQLite file; made with its folder where it is not there.

    Attributes:
        files_read: files whose content was read by this object.
        note: what was done about a damaged cache; None if nothing was.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files_read = 0
        self.note: str | None = None
        self._is_set_up = False

    def digest(self, path: Path) -> str:
        """The digest of one file's content: 32 hexadecimal digits.

        Raises:
            SuiteError: the file cannot be read.
            StoreError: the cache cannot be written.
        """
        return self.digests([path])[0]

    def digests(self, paths: Iterable[Path]) -> list[str]:
        """The digests of the files' contents, in the order of `paths`; reads only what is new or changed.

        Raises:
            SuiteError: a file cannot be read.
            StoreError: the cache cannot be written.
        """
        names = [str(path.absolute()) for path in paths]
        unique = list(dict.fromkeys(names))
        found: dict[str, str] = {}
        for start in range(0, len(unique), BATCH):
            batch = unique[start : start + BATCH]
            try:
                found |= self._batch(batch)
            except sqlite3.OperationalError as error:
                raise StoreError(f"{self.path}: file digests cannot be kept here ({error}).") from None
            except sqlite3.DatabaseError as error:
                self._discard(str(error))
                found |= self._batch(batch)
        return [found[name] for name in names]

    def _batch(self, names: list[str]) -> dict[str, str]:
        stamps = {name: _stamp(name) for name in names}
        with self._connection() as connection:
            known = _known(connection, stamps)
            fresh = [name for name in stamps if name not in known]
            if fresh:
                started = time.time_ns()
                with ThreadPoolExecutor(READERS) as pool:
                    for share in pool.map(_content_digests, (fresh[k::READERS] for k in range(READERS))):
                        known.update(share)
                self.files_read += len(fresh)
                settled = [name for name in fresh if started - stamps[name].mtime_ns > CLOCK_TICK_NS]
                with connection:
                    connection.executemany(
                        "INSERT OR REPLACE INTO digests_1 VALUES (?, ?, ?, ?, ?)",
                        [(name, *astuple(stamps[name]), known[name]) for name in settled],
                    )
        return known

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own for each batch, so that threads and forked processes share none."""
        if not self._is_set_up:
            self._set_up()
        with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS)) as connection:
            connection.execute("PRAGMA synchronous = NORMAL")
            yield connection

    def _set_up(self) -> None:
        """Make the file where it is not there; under a lock, for two cannot enter WAL mode at a time."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock, closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute(_TABLE)
        except OSError as error:
            raise StoreError(f"{self.path.parent}: cannot be written ({error.strerror}).") from None
        self._is_set_up = True

    @property
    def _lock(self) -> FileLock:
        return FileLock(f"{self.path}.lock", timeout=BUSY_SECONDS)

    def _discard(self, reason: str) -> None:
        with self._lock:
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        self._is_set_up = False
        self.note = f"{self.path}: the cache of file digests was damaged ({reason}) and is made again."


def _stamp(name: str) -> _Stamp:
    try:
        status = Path(name).stat()
    except OSError as error:
        raise SuiteError(f"{name}: cannot be read ({error.strerror}).") from None
    return _Stamp(status.st_size, status.st_mtime_ns, status.st_ino)


def _content_digests(names: Iterable[str]) -> dict[str, str]:
    return {name: _content_digest(name) for name in names}


def _content_digest(name: str) -> str:
    try:
        with Path(name).open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise SuiteError(f"{name}: cannot be read ({error.strerror}).") from None


def _known(connection: sqlite3.Connection, stamps: Mapping[str, _Stamp]) -> dict[str, str]:
    """The digests of those files whose stamp is the remembered one."""
    marks = ", ".join("?" * len(stamps))
    rows = connection.execute(
        f"SELECT path, digest, size, mtime_ns, inode FROM digests_1 WHERE path IN ({marks})",  # noqa: S608
        list(stamps),
    )
    return {path: digest for path, digest, *stamp in rows if _Stamp(*stamp) == stamps[path]}
