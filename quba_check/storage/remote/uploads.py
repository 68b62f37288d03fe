"""Files on their way to a store at a URL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from quba_check.storage.remote.files import RemoteFiles

THREADS = 8
MOST_WAITING = 64
"""Largest number of files in memory that are not written yet."""


class Uploads:
    """Writes files in the background, and does other work on them in parallel.

    An error of a file is raised by the next call.

    Args:
        files: their destination.
    """

    def __init__(self, files: RemoteFiles) -> None:
        self._files = files
        self._pool = ThreadPoolExecutor(THREADS, "quba-store")
        self._waiting: set[Future[bool]] = set()
        self._lock = threading.Lock()

    def add(self, name: str, content: bytes) -> None:
        """Write a file that does not exist yet; one of the same name stays.

        Raises:
            UserError: an earlier file cannot be written.
        """
        if len(waiting := self._copy()) >= MOST_WAITING:
            wait(waiting, return_when=FIRST_COMPLETED)
        self._raise_errors()
        with self._lock:
            self._waiting.add(self._pool.submit(self._files.create, name, content))

    def flush(self) -> None:
        """Wait until all files are written.

        Raises:
            UserError: one cannot be written.
        """
        self.wait()
        self._raise_errors()

    def wait(self) -> None:
        """Wait until all files are written; errors are left for the next call."""
        wait(self._copy())

    def for_each(self, function: Callable[[str], None], names: Iterable[str]) -> None:
        """Call a function for each name, in several threads.

        Raises:
            Exception: an error of the function.
        """
        for _ in self._pool.map(function, names):
            pass

    def _copy(self) -> set[Future[bool]]:
        with self._lock:
            return set(self._waiting)

    def _raise_errors(self) -> None:
        done = {upload for upload in self._copy() if upload.done()}
        with self._lock:
            self._waiting -= done
        for upload in done:
            upload.result()
