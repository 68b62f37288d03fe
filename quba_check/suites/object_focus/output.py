"""The folder of made sets, which appears as a whole, never over other content."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quba_check.errors import SuiteError
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
        aside = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
        try:
            new = aside / "new"
            new.mkdir()
            yield new
            if out.is_dir():
                out.rmdir()
            new.rename(out)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
