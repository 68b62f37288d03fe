"""Copies of remote files on this machine, bounded in total size."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

_STARTED = time.time()
_CHECKS = 10
"""Times that the folder is measured while its limit is filled."""


class LocalCopies:
    """A folder of files that can be fetched again.

    Files that were unused longest are removed. Files used since this process started stay.

    Args:
        folder: the folder.
        limit_bytes: total size of the files beyond which some are removed.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._limit = limit_bytes
        self._unmeasured = limit_bytes

    def used(self, path: Path) -> None:
        """Note that a file is used."""
        with suppress(OSError):
            os.utime(path)

    def grew(self, size: int) -> None:
        """Note that a file was added, and remove others if there are too many bytes."""
        self._unmeasured += size
        if self._unmeasured >= self._limit / _CHECKS:
            self._unmeasured = 0
            self._remove_unused()

    def _remove_unused(self) -> None:
        files = []
        for folder, _, names in os.walk(self._folder):
            for name in names:
                path = Path(folder) / name
                with suppress(OSError):
                    status = path.stat()
                    files.append((status.st_mtime, status.st_size, path))
        excess = sum(size for _, size, _ in files) - self._limit
        for used, size, path in sorted(files):
            if excess <= 0 or used >= _STARTED:
                return
            with suppress(OSError):
                path.unlink()
                excess -= size
