"""Listings of the files behind a URL, shared by the processes of a run."""

from __future__ import annotations

import json
import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from filelock import FileLock

from quba_check.errors import SuiteError
from quba_check.storage.atomic import write_atomically
from quba_check.storage.json_text import parse_json
from quba_check.storage.remote.files import RemoteFiles
from quba_check.storage.remote.remote_file import RemoteFile
from quba_check.storage.store import content_hash

LISTING, LATEST = "listing.json", "latest.json"
_AFTER_SLASH = "0"
"""The character after `/`: names below a folder sort before the folder's name with it."""


@dataclass(frozen=True)
class Listing:
    """The files behind a URL at one time.

    Attributes:
        files: by name, relative to the URL, in sorted order.
        version: hash of names, sizes and versions.
    """

    files: Mapping[str, RemoteFile]
    version: str

    @cached_property
    def _names(self) -> list[str]:
        return list(self.files)

    def below(self, folder: str) -> list[str]:
        """Return the names of all files below a folder; `""` is the whole listing.

        >>> file = RemoteFile(1, "", None)
        >>> Listing({name: file for name in ("a", "a-b/x", "a/b/x", "a/y", "b")}, "").below("a")
        ['a/b/x', 'a/y']
        """
        if not folder:
            return self._names
        start, end = f"{folder}/", f"{folder}{_AFTER_SLASH}"
        return self._names[bisect_left(self._names, start) : bisect_left(self._names, end)]

    def size(self, names: Iterable[str]) -> int:
        """Return the total size of files in bytes."""
        return sum(self.files[name].size for name in names)


def current_listing(remote: RemoteFiles, home: Path, since: float) -> Listing:
    """Return the listing of a URL, from another process of the run or read now.

    Layout: `home/<version>/listing.json`, and `home/latest.json` with version and time of the latest one.

    Args:
        remote: the files.
        home: folder for the listings of this URL; created if missing.
        since: time in seconds since 1970; an older listing is not used.

    Raises:
        SuiteError: the URL cannot be listed, or the listing does not show which files changed.
        OSError: the folder cannot be written.
    """
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / "listing.lock"):
        listing = _latest(home, since)
        if listing is None:
            listed_at = time.time()
            files = dict(sorted(remote.listing().items()))
            _check_versions(files, remote.shown)
            rows = {name: [file.size, file.version] for name, file in files.items()}
            listing = Listing(files, content_hash(rows)[:16])
            folder = home / listing.version
            folder.mkdir(exist_ok=True)
            write_atomically(folder / LISTING, json.dumps(rows).encode())
            latest = {"url": remote.shown, "version": listing.version, "listed_at": listed_at}
            write_atomically(home / LATEST, json.dumps(latest).encode())
    return listing


def earlier_listing(home: Path, version: str) -> Listing | None:
    """Return the newest stored listing of a URL with another version, if there is one."""
    paths = [path for path in home.glob(f"*/{LISTING}") if path.parent.name != version]
    if not paths:
        return None
    newest = max(paths, key=lambda path: path.stat().st_mtime_ns)
    return _stored(home, newest.parent.name)


def _check_versions(files: Mapping[str, RemoteFile], shown: str) -> None:
    unknown = [name for name, file in files.items() if not file.version]
    if unknown:
        raise SuiteError(
            f"--quba-data: {shown} cannot be used: its listing has no size of '{unknown[0]}', or neither a "
            "hash nor a time. Changes would not be noticed. Allowed: a URL whose listing has them, such as "
            "s3://bucket/folder, or a copy in a folder of this machine."
        )


def _latest(home: Path, since: float) -> Listing | None:
    try:
        latest = parse_json((home / LATEST).read_bytes())
        return _stored(home, str(latest["version"])) if latest["listed_at"] >= since else None
    except (OSError, ValueError, KeyError, TypeError):  # missing or damaged
        return None


def _stored(home: Path, version: str) -> Listing | None:
    try:
        rows = parse_json((home / version / LISTING).read_bytes())
        files = {name: RemoteFile(size, mark, None) for name, (size, mark) in rows.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return Listing(files, version)
