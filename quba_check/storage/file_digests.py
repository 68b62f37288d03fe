"""Content digests of files, cached between runs."""

from __future__ import annotations

import hashlib
import re
import sqlite3
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

from filelock import FileLock

from quba_check.errors import StoreError, SuiteError
from quba_check.storage.user_files import file_kind, reason, remove

BATCH = 500
"""Files per transaction: the most digests that a killed run loses."""
READERS = 4
CLOCK_TICK_NS = 20_000_000
"""Time in which a file may change with the same mtime. Digests of younger files are not stored."""
BUSY_SECONDS = 60.0
LARGEST_INTEGER = 2**63 - 1
"""Largest integer of SQLite. Some file systems have larger inode numbers."""
_DIGEST = re.compile("[0-9a-f]{32}")
_TABLE = """CREATE TABLE IF NOT EXISTS digests_1 (
    path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, inode INTEGER, digest TEXT
) WITHOUT ROWID"""


@dataclass(frozen=True, slots=True)
class _Stamp:
    """Metadata that identify an unchanged file."""

    size: int
    mtime_ns: int
    inode: int


class ContentDigests:
    """BLAKE2b-128 digests of file contents, cached in an SQLite file by (path, size, mtime_ns, inode).

    A changed file gets another digest; a file that was only touched is read again and keeps its digest.
    Several processes and threads may use one cache. A damaged cache is replaced by an empty one.

    Args:
        path: the SQLite file; created with its folder if missing.

    Attributes:
        files_read: number of files whose content was read by this object.
        note: note on a damaged cache that was replaced; None otherwise.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files_read = 0
        self.note: str | None = None
        self._is_set_up = False

    def digest(self, path: Path) -> str:
        """Return the digest of a file's content: 32 hexadecimal digits.

        Raises:
            SuiteError: the file cannot be read.
            StoreError: the cache cannot be written.
        """
        return self.digests([path])[0]

    def digests(self, paths: Iterable[Path]) -> list[str]:
        """Return the digests of files in order; read only new or changed files.

        Raises:
            SuiteError: a file cannot be read.
            StoreError: the cache cannot be written.
        """
        names = [str(path.absolute()) for path in paths]
        unique = list(dict.fromkeys(names))
        digests: dict[str, str] = {}
        for start in range(0, len(unique), BATCH):
            batch = unique[start : start + BATCH]
            try:
                digests |= self._batch(batch)
            except sqlite3.DatabaseError as error:
                if _is_access_error(error):
                    raise self._unusable(error) from None
                self._discard(str(error))
                try:
                    digests |= self._batch(batch)
                except sqlite3.DatabaseError as again:
                    raise self._unusable(again) from None
        return [digests[name] for name in names]

    def _unusable(self, error: sqlite3.DatabaseError) -> StoreError:
        return StoreError(f"{self.path}: file digests cannot be kept here ({error}).")

    def _batch(self, names: list[str]) -> dict[str, str]:
        stamps = {name: _stamp(name) for name in names}
        with self._connection() as connection:
            digests = _cached_digests(connection, stamps)
            missing = [name for name in stamps if name not in digests]
            if missing:
                start_ns = time.time_ns()
                with ThreadPoolExecutor(READERS) as pool:
                    for part in pool.map(_content_digests, (missing[k::READERS] for k in range(READERS))):
                        digests.update(part)
                self.files_read += len(missing)
                stable = [name for name in missing if start_ns - stamps[name].mtime_ns > CLOCK_TICK_NS]
                with connection:
                    connection.executemany(
                        "INSERT OR REPLACE INTO digests_1 VALUES (?, ?, ?, ?, ?)",
                        [(name, *astuple(stamps[name]), digests[name]) for name in stable],
                    )
        return digests

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Open a connection for one batch, so that threads and forked processes share none."""
        if not self._is_set_up:
            self._set_up()
        with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS)) as connection:
            connection.execute("PRAGMA synchronous = NORMAL")
            yield connection

    def _set_up(self) -> None:
        """Create the file if missing, under a lock, as WAL mode requires."""
        if file_kind(self.path, str(self.path), StoreError) not in ("file", None):
            self._discard("it is not a file")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock, closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute(_TABLE)
        except OSError as error:
            raise StoreError(f"{self.path.parent}: cannot be written ({reason(error)}).") from None
        self._is_set_up = True

    @property
    def _lock(self) -> FileLock:
        return FileLock(f"{self.path}.lock", timeout=BUSY_SECONDS)

    def _discard(self, damage: str) -> None:
        try:
            with self._lock:
                for suffix in ("", "-wal", "-shm"):
                    remove(Path(f"{self.path}{suffix}"))
        except OSError as error:
            raise StoreError(f"{self.path}: is damaged and cannot be removed ({reason(error)}).") from None
        self._is_set_up = False
        self.note = f"{self.path}: the cache of file digests was damaged ({damage}) and is made again."


def _stamp(name: str) -> _Stamp:
    try:
        status = Path(name).stat()
    except (OSError, ValueError) as error:
        raise SuiteError(f"{name}: cannot be read ({reason(error)}).") from None
    if not stat.S_ISREG(status.st_mode):
        raise SuiteError(f"{name}: is not a file.")
    return _Stamp(status.st_size, status.st_mtime_ns, status.st_ino & LARGEST_INTEGER)


def _content_digests(names: Iterable[str]) -> dict[str, str]:
    digests = {}
    for name in names:
        try:
            with Path(name).open("rb") as file:
                digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
        except OSError as error:
            raise SuiteError(f"{name}: cannot be read ({reason(error)}).") from None
        digests[name] = digest.hexdigest()
    return digests


def _cached_digests(connection: sqlite3.Connection, stamps: Mapping[str, _Stamp]) -> dict[str, str]:
    """Return the stored digests of files with an unchanged stamp."""
    marks = ", ".join("?" * len(stamps))
    rows = connection.execute(
        f"SELECT path, digest, size, mtime_ns, inode FROM digests_1 WHERE path IN ({marks})",  # noqa: S608
        list(stamps),
    )
    return {
        path: digest
        for path, digest, *stamp in rows
        if _Stamp(*stamp) == stamps[path] and isinstance(digest, str) and _DIGEST.fullmatch(digest)
    }


def _is_access_error(error: sqlite3.DatabaseError) -> bool:
    """Return True for errors of access: locks, and full or read-only disks."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    return code in (
        sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM,
    )  # fmt: skip
