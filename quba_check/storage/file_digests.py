"""Content digests of files and values of images, cached between runs."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from quba_check.errors import StoreError, SuiteError
from quba_check.storage.user_files import file_kind, os_errors, reason

BATCH = 500
"""Files per transaction: the most digests that a killed run loses."""
READERS = 4
FIRST_READ = 2**18
NEXT_READ = 2**20
"""Bytes of a file that are read at once. Most images need the first alone."""
CLOCK_TICK_NS = 20_000_000
"""Time in which a file may change with the same times. Digests of younger files are not stored."""
BUSY_SECONDS = 60.0
LARGEST_INTEGER = 2**63 - 1
"""Largest integer of SQLite. Some file systems have larger inode numbers."""
HASHES: Mapping[str, Callable[[], Any]] = {
    "digests_2": partial(hashlib.blake2b, digest_size=16),
    "digests_sha256": hashlib.sha256,
}
"""The hash functions of digests, by the table that keeps them."""
_TABLES = (
    "".join(
        f"""CREATE TABLE IF NOT EXISTS {table} (
    path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER, inode INTEGER, digest TEXT
) WITHOUT ROWID;
"""
        for table in HASHES
    )
    + """CREATE TABLE IF NOT EXISTS image_values_1 (
    content TEXT PRIMARY KEY, hash INTEGER, brightness REAL, sharpness REAL, size INTEGER
) WITHOUT ROWID"""
)
"""The number in a name changes with the definition of a value."""
_STORED = """SELECT {0}.path, size, mtime_ns, ctime_ns, inode, digest
    FROM json_each(?) CROSS JOIN {0} ON {0}.path = value
    WHERE typeof(digest) = 'text' AND length(digest) = ?"""
ImageValues = tuple[int, float, float, int]
"""Signed perceptual hash, brightness, sharpness and size of an image."""
_STORED_VALUES = """SELECT content, hash, brightness, sharpness, size
    FROM json_each(?) CROSS JOIN image_values_1 ON content = value"""
Stamp = tuple[int, int, int, int]
"""Size, mtime_ns, ctime_ns and inode, which identify an unchanged file.

The system sets ctime, so that it also shows a file that was replaced with its size and mtime kept.
"""
HAS_CHANGE_TIME = os.name != "nt"
"""On Windows, Python's ctime is the time of creation."""


class ContentDigests:
    """Digests of file contents, cached in an SQLite file by path and `Stamp`.

    A changed file gets another digest; a file that was only touched is read again and keeps its digest.
    Several processes and threads may use one cache.

    Args:
        path: the SQLite file; created with its folder if missing.
        table: the table of the digests, which names their hash; see `HASHES`.

    Attributes:
        files_read: number of files whose content was read by this object.
    """

    def __init__(self, path: Path, table: str = "digests_2") -> None:
        self.path = path
        self._table = table
        self._hash = HASHES[table]
        self.files_read = 0
        self._is_set_up = False

    def digests(self, paths: Iterable[Path | str]) -> list[str]:
        """Return the digests of files in order, in hexadecimal digits.

        Only new or changed files are read.

        Args:
            paths: the files; strings are absolute paths.

        Raises:
            SuiteError: a file cannot be read.
            StoreError: the cache cannot be used; see `connection`.
        """
        names = [path if isinstance(path, str) else str(path.absolute()) for path in paths]
        if not names:
            return []
        unique = dict.fromkeys(names)
        query = _STORED.format(self._table)
        digits = 2 * self._hash().digest_size
        with self.connection() as connection:
            # Rows are not collected first: many tuples at once would make Python's garbage collector run.
            digests = {
                name: digest
                for name, *stamp, digest in connection.execute(query, (json.dumps([*unique]), digits))
                if file_stamp(name) == tuple(stamp)
            }
            missing = [(name, file_stamp(name)) for name in unique if name not in digests]
            if missing:
                with ThreadPoolExecutor(READERS) as pool:
                    for start in range(0, len(missing), BATCH):
                        digests |= self._read(dict(missing[start : start + BATCH]), pool, connection)
        return [digests[name] for name in names]

    def _read(
        self, files: Mapping[str, Stamp], pool: ThreadPoolExecutor, connection: sqlite3.Connection
    ) -> dict[str, str]:
        """Return the digests of files after reading them, and store those of stable files.

        Args:
            files: stamp of each by its absolute path.
            pool: threads that read.
            connection: the cache.
        """
        start_ns = time.time_ns()
        names = list(files)
        digests: dict[str, str] = {}
        for part in pool.map(self._content_digests, (names[k::READERS] for k in range(READERS))):
            digests |= part
        self.files_read += len(files)
        stable = [name for name, stamp in files.items() if start_ns - max(stamp[1:3]) > CLOCK_TICK_NS]
        rows = [(name, *files[name], digests[name]) for name in stable]
        with connection:
            connection.executemany(f"INSERT OR REPLACE INTO {self._table} VALUES (?, ?, ?, ?, ?, ?)", rows)  # noqa: S608  a constant
        return digests

    def _content_digests(self, names: Iterable[str]) -> dict[str, str]:
        digests = {}
        for name in names:
            with (
                os_errors("cannot be read", SuiteError, where=name),
                open(name, "rb", buffering=0) as file,  # noqa: PTH123
            ):
                digest = self._hash()
                digest.update(file.read(FIRST_READ))
                while part := file.read(NEXT_READ):
                    digest.update(part)
            digests[name] = digest.hexdigest()
        return digests

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Open a connection for one call, so that threads and forked processes share none.

        Raises:
            StoreError: the file is damaged, or cannot be read or written.
        """
        try:
            if not self._is_set_up:
                self._set_up()
            with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS)) as connection:
                connection.execute("PRAGMA synchronous = NORMAL")
                yield connection
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"digests and values of files cannot be kept here ({error}). If the file is "
                "damaged, remove it: it is a cache.",
                where=f"{self.path}",
            ) from None

    def _set_up(self) -> None:
        """Create the file if missing, under a lock, as WAL mode requires."""
        from filelock import FileLock

        if file_kind(self.path, str(self.path), StoreError) not in ("file", None):
            raise StoreError("is not a file", where=f"{self.path}", hint="Remove it: a cache is kept there.")
        with os_errors("cannot be written", StoreError, where=f"{self.path.parent}"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(f"{self.path}.lock", timeout=BUSY_SECONDS)
            with lock, closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(_TABLES)
        self._is_set_up = True


def file_stamp(name: str | Path) -> Stamp:
    """Return the stamp of a file.

    Raises:
        SuiteError: there is no readable file.
    """
    try:
        status = os.stat(name)  # noqa: PTH116  a Path costs as much again
    except (OSError, ValueError) as error:
        raise SuiteError(f"cannot be read ({reason(error)}).", where=f"{name}") from None
    if not stat.S_ISREG(status.st_mode):
        raise SuiteError("is not a file.", where=f"{name}")
    changed = status.st_ctime_ns if HAS_CHANGE_TIME else 0
    return status.st_size, status.st_mtime_ns, changed, status.st_ino & LARGEST_INTEGER


def read_values(digests: ContentDigests, contents: Collection[str]) -> dict[str, ImageValues]:
    """Return the stored values of contents; others are missing.

    Raises:
        StoreError: the cache cannot be read.
    """
    with digests.connection() as connection:
        rows = connection.execute(_STORED_VALUES, (json.dumps([*contents]),))
        return {content: tuple(values) for content, *values in rows}


def write_values(digests: ContentDigests, values: Mapping[str, ImageValues]) -> None:
    """Store values by content.

    Raises:
        StoreError: the cache cannot be written.
    """
    with digests.connection() as connection, connection:
        connection.executemany(
            "INSERT OR REPLACE INTO image_values_1 VALUES (?, ?, ?, ?, ?)",
            [(content, *row) for content, row in values.items()],
        )
