"""Atomic replacement of files."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from quba_check.storage.user_files import remove

_PAUSES = [0.02] * 100 if os.name == "nt" else []
"""Seconds between tries to rename a file that another program reads."""


def rename(source: Path, target: Path) -> None:
    """Give a file or folder another name; a file of that name is replaced.

    Windows refuses while another process or a virus scanner reads one of them, so it is tried again.

    Raises:
        OSError: it cannot be renamed.
    """
    for pause in _PAUSES:
        with suppress(PermissionError):
            source.replace(target)
            return
        time.sleep(pause)
    source.replace(target)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path whose file or folder replaces another at the end.

    It is hidden, in the same folder, and takes the name at the end. If the block raises, nothing changes.

    Args:
        path: the file or folder, in a folder that exists.

    Raises:
        OSError: it cannot be replaced.
    """
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
        rename(temporary, path)
    finally:
        remove(temporary)


def write_atomically(path: Path, payload: bytes, check: Callable[[Path], object] | None = None) -> None:
    """Write a file atomically: readers see the old content or the new.

    The content is written to a hidden file in the same folder, which then takes the name. It has the
    permissions of any new file.

    Args:
        path: the file, in a folder that exists.
        payload: the content.
        check: called with the hidden file before it takes the name. If it raises, nothing changes.

    Raises:
        OSError: the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(payload)
        if check is not None:
            check(temporary)
