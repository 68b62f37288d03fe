"""Results computed from files, cached until the file changes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Generic, TypeVar

from quba_check.storage.file_digests import file_stamp

Result = TypeVar("Result")


class FileCache(Generic[Result]):
    """A cached function of a file and some words; a changed file is read again.

    Each process has its own cache. Threads that call at the same time wait for one result.

    Args:
        compute: the function.
        limit: number of cached results.
    """

    def __init__(self, compute: Callable[..., Result], limit: int) -> None:
        self._lock = threading.Lock()
        self._results = lru_cache(maxsize=limit)(lambda path, _stamp, words: compute(path, *words))

    def __call__(self, path: Path, *words: str) -> Result:
        """Return the result for a file.

        Raises:
            SuiteError: the path leads to no readable file. Errors of the function come through.
        """
        stamp = file_stamp(path)
        with self._lock:
            return self._results(path, stamp, words)
