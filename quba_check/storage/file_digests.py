"""Content digests of files, remembered so that a second run does not read millions of images again."""

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
"""Files looked up, read and remembered in one transaction: what a killed run may lose."""
READERS = 4
CLOCK_TICK_NS = 20_000_000
"""Within this time a file may change without its mtime showing it: digests of younger files are not kept."""
BUSY_SECONDS = 60.0
LARGEST_INTEGER = 2**63 - 1
"""Largest integer of SQLite; some file systems have larger inode numbers."""
_DIGEST = re.compile("[0-9a-f]{32}")
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
            except sqlite3.DatabaseError as error:
                if _is_no_damage(error):
                    raise self._unusable(error) from None
                self._discard(str(error))
                try:
                    found |= self._batch(batch)
                except sqlite3.DatabaseError as again:
                    raise self._unusable(again) from None
        return [found[name] for name in names]

    def _unusable(self, error: sqlite3.DatabaseError) -> StoreError:
        return StoreError(f"{self.path}: file digests cannot be kept here ({error}).")

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
    return {name: _content_digest(name) for name in names}


def _content_digest(name: str) -> str:
    try:
        with Path(name).open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise SuiteError(f"{name}: cannot be read ({reason(error)}).") from None


def _known(connection: sqlite3.Connection, stamps: Mapping[str, _Stamp]) -> dict[str, str]:
    """The digests of those files whose stamp is the remembered one."""
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


def _is_no_damage(error: sqlite3.DatabaseError) -> bool:
    """Return True for errors of access: locks, and full or read-only disks."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    return code in (
        sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM,
    )  # fmt: skip
