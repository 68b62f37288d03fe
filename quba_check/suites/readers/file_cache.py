"""What is kept of a file as long as the file stays the same."""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Generic, TypeVar

from quba_check.errors import SuiteError
from quba_check.storage.user_files import reason

Made = TypeVar("Made")


class Kept(Generic[Made]):
    """A function of a file and a few words, whose last answers are kept; a changed file is looked at anew.

    Each process has its own. Threads that ask at the same time wait for one answer.

    Args:
        make: the function.
        limit: answers that are kept.
    """

    def __init__(self, make: Callable[..., Made], limit: int) -> None:
        self._lock = threading.Lock()
        self._made = lru_cache(maxsize=limit)(lambda path, _stamp, words: make(path, *words))

    def __call__(self, path: Path, *words: str) -> Made:
        """The answer for a file.

        Raises:
            SuiteError: it cannot be looked at; or what the function raises.
        """
        try:
            status = path.stat()
        except (OSError, ValueError) as error:
            raise SuiteError(f"{path}: cannot be read ({reason(error)}).") from None
        if not stat.S_ISREG(status.st_mode):
            raise SuiteError(f"{path}: is not a file.")
        with self._lock:
            return self._made(path, (status.st_size, status.st_mtime_ns, status.st_ino), words)
