"""Files in listings of fsspec: size, version and time."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_TIMES = ("LastModified", "last_modified", "updated", "mtime", "modified", "modify", "created")
_MILLISECONDS = "modificationTime"
"""Key of WebHDFS for a time in milliseconds."""
_MARKS = ("ETag", "etag", "generation", "md5Hash", "sha", "blob_id", "CRC")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file in a listing.

    Attributes:
        size: its size in bytes, 0 if the server states none.
        version: text that changes with the content: the server's hash or generation, else time and size;
            empty if the server states no size, or none of these.
        modified: time of the last change in seconds since 1970; None if the server states none.
    """

    size: int
    version: str
    modified: float | None


def remote_file(entry: dict[str, Any]) -> RemoteFile:
    """Return the file that an entry of fsspec describes."""
    times = [entry[key] for key in _TIMES if entry.get(key) is not None]
    if entry.get(_MILLISECONDS) is not None:
        times.append(entry[_MILLISECONDS] / 1000)
    modified = next((seconds for seconds in map(_seconds, times) if seconds is not None), None)
    size = entry.get("size")
    marks = [str(entry[key]) for key in _MARKS if entry.get(key) not in (None, "")]
    if times:
        marks.append(f"{times[0] if modified is None else modified}-{size}")
    return RemoteFile(int(size or 0), marks[0] if marks and size is not None else "", modified)


def _seconds(value: Any) -> float | None:
    """Return a time in seconds since 1970; None if its format is unknown."""
    if isinstance(value, str):
        value = _datetime(value)
    if isinstance(value, datetime):
        return value.timestamp()
    return float(value) if isinstance(value, int | float) else None


def _datetime(text: str) -> datetime | None:
    """Return an ISO time, or a time of FTP such as `20260131235959.123` in UTC."""
    with suppress(ValueError):
        return datetime.fromisoformat(text)
    with suppress(ValueError):
        return datetime.strptime(text.partition(".")[0], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return None
