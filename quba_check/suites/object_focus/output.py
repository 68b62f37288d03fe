"""The folder of made sets, which appears as a whole, never over other content."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quba_check.errors import SuiteError
from quba_check.storage.atomic import replacing
from quba_check.storage.user_files import os_errors

ORIGINS = "object-focus.json"
"""File next to the sets, with their settings and the source images of every picture."""


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Give a folder to write into, which becomes `out` if no error occurs.

    Args:
        out: may be missing or empty.

    Raises:
        SuiteError: `out` holds something, or cannot be written.
    """
    if out.is_file():
        raise SuiteError(f"{out}: this is a file. Allowed: a new or empty folder.")
    with os_errors(f"{out}: cannot be written", SuiteError):
        if out.is_dir() and any(out.iterdir()):
            raise SuiteError(f"{out}: the folder is not empty. Allowed: a new or empty one; name it with -o.")
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(out) as new:
            new.mkdir()
            yield new
            if out.is_dir():
                out.rmdir()
