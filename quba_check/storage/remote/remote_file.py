"""Files in listings of fsspec: size, version and time."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file in a listing.

    Attributes:
        size: its size in bytes, 0 if the server states none.
        version: text that changes with the content: the server's hash or generation, else time and size.
        modified: time of the last change in seconds since 1970; None if the server states none.
    """

    size: int
    version: str
    modified: float | None


def remote_file(entry: dict[str, Any]) -> RemoteFile:
    """Return the file that an entry of fsspec describes."""
    times = (entry.get(key) for key in ("LastModified", "last_modified", "updated", "mtime", "created"))
    modified = next((time for time in map(_seconds, times) if time is not None), None)
    size = int(entry.get("size") or 0)
    marks = (entry.get(key) for key in ("ETag", "etag", "generation", "md5Hash"))
    version = next((str(mark) for mark in marks if mark), f"{modified}-{size}")
    return RemoteFile(size, version, modified)


def _seconds(value: Any) -> float | None:
    """Return a time of any file system in seconds since 1970."""
    if isinstance(value, str):
        with suppress(ValueError):
            value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value.timestamp()
    return float(value) if isinstance(value, int | float) else None
