"""Copies of a data folder at a URL.

Each file is copied once, when a set that has it is used.
"""

from __future__ import annotations

import json
import math
import shutil
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from quba_check.errors import StoreError, SuiteError
from quba_check.number_format import counted, format_bytes
from quba_check.storage.atomic import replacing, write_atomically
from quba_check.storage.store import content_hash
from quba_check.storage.url_objects import UrlObjects
from quba_check.storage.user_files import os_errors, parse_json, remove

FOLDER = "mirror"
"""Folder in a store for the copies."""
ANNOUNCED_BYTES = 10**6
"""Copying less takes no noticeable time."""
DOWNLOADS = 16
"""Files that are copied at the same time. A request takes longer than a small file."""
_ALLOWED = "a larger disk"
_HINT = "Name another store with --quba-store DIR, or another TMPDIR for workers, or free some space."


def _ignore(_step: str) -> None:
    """Ignore a step; unlike a lambda, it can be sent to other processes."""


@dataclass(frozen=True, slots=True)
class CopySettings:
    """Listing of the files, and progress of the copies.

    Attributes:
        listed_since: time in seconds since 1970; an older listing of the files is not used. The processes of
            a run share its start.
        announce: called with each step before predictions.
        show_step: called with the progress of such a step.
    """

    listed_since: float = math.inf
    announce: Callable[[str], None] = field(default=_ignore, repr=False)
    show_step: Callable[[str], None] = field(default=_ignore, repr=False)


class DataCopies:
    """The files at a URL, copied to this machine when they are needed.

    Layout: `<folder>/<hash of the URL>/files/` has the copies, next to `listing.json`. A listing removes the
    copies of files that changed at the URL. Any number of processes and threads may use one folder. Nothing
    else is removed; see `quba-check store prune`.

    Args:
        url: the URL.
        folder: folder of all copies on this machine; created if missing.
        settings: listing of the files, and progress.

    Attributes:
        settings: the settings.
        label: the URL for messages and records.
        root: folder of the copies.
        files: size and version of the files at the URL by name, in sorted order.

    Raises:
        SuiteError: the URL cannot be listed.
        StoreError: the folder cannot be written.
    """

    def __init__(self, url: str, folder: Path, settings: CopySettings) -> None:
        self._objects = UrlObjects(url, "--quba-data", SuiteError)
        self._home = folder.absolute() / content_hash(url.rstrip("/"))[:16]
        self._lock = threading.Lock()
        self._complete: set[tuple[str, ...]] = set()
        self.settings = settings
        self.label = self._objects.label
        self.root = self._home / "files"
        settings.announce(f"listing {self.label}")
        with self._writing():
            self.files = self._current_listing()
        self._names = list(self.files)

    def below(self, folder: str) -> list[str]:
        """Return the names of all files below a folder; `""` is the whole URL."""
        if not folder:
            return self._names
        start, end = f"{folder}/", f"{folder}0"  # the character after the slash
        return self._names[bisect_left(self._names, start) : bisect_left(self._names, end)]

    def fetch(self, title: str, names: Iterable[str]) -> None:
        """Copy the files that are not on this machine; names without a file are skipped.

        Args:
            title: name of the files in messages, such as `the set 'clean'`.
            names: the files, relative to the URL.

        Raises:
            SuiteError: one cannot be read.
            StoreError: one cannot be written.
        """
        from filelock import FileLock

        listed = tuple(sorted({name for name in names if name in self.files}))
        with self._lock, self._writing():
            if listed not in self._complete:
                with FileLock(self._home / "copy.lock"):
                    self._download(title, [name for name in listed if not (self.root / name).exists()])
                self._complete.add(listed)

    def _current_listing(self) -> dict[str, tuple[int, str]]:
        """Return the listing by another process of the run, or a new one."""
        from filelock import FileLock

        self._home.mkdir(parents=True, exist_ok=True)
        path = self._home / "listing.json"
        with FileLock(self._home / "listing.lock"):
            try:
                stored = parse_json(path.read_bytes())
                old = {name: (int(size), str(version)) for name, (size, version) in stored["files"].items()}
                if stored["listed_at"] >= self.settings.listed_since:
                    return old
            except (OSError, ValueError, KeyError, TypeError, AttributeError):  # missing or damaged
                old = {}
                remove(self.root)
            now = time.time()
            objects = sorted(self._objects.list(), key=lambda file: file.name)
            files = {file.name: (file.size, file.version) for file in objects}
            with FileLock(self._home / "copy.lock"):
                for name in old:
                    if files.get(name) != old[name]:
                        (self.root / name).unlink(missing_ok=True)
                content = {"url": self.label, "listed_at": now, "files": files}
                write_atomically(path, json.dumps(content).encode())
        return files

    def _download(self, title: str, names: list[str]) -> None:
        total = sum(self.files[name][0] for name in names)
        free = shutil.disk_usage(self._home).free
        if total > free:
            raise StoreError(
                f"{title} of {self.label} takes {format_bytes(total)}, and {format_bytes(free)} are "
                "free on this disk",
                where=f"{self._home.parent}",
                allowed=_ALLOWED,
                hint=_HINT,
            )
        if total >= ANNOUNCED_BYTES:
            amount = counted(len(names), "file")
            self.settings.announce(f"copying {title} from {self.label}: {amount}, {format_bytes(total)}")
        copied = percent = 0
        pool = ThreadPoolExecutor(DOWNLOADS)
        try:
            for job in as_completed([pool.submit(self._copy, name) for name in names]):
                copied += job.result()
                if total and (done := 100 * copied // total) > percent:
                    percent = done
                    self.settings.show_step(f"{title}, {percent} % copied")
        finally:
            pool.shutdown(cancel_futures=True)

    def _copy(self, name: str) -> int:
        """Copy a file; return its size."""
        path = self.root / name
        size = self.files[name][0]
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as unfinished:
            try:
                copied = self._objects.download(name, unfinished)
            except FileNotFoundError:
                raise SuiteError(
                    "was removed since it was listed. Start the run again.", where=f"{self.label}/{name}"
                ) from None
            if copied != size:
                raise SuiteError(
                    f"changed since it was listed, from {size:,} to {copied:,} bytes. Start the run again.",
                    where=f"{self.label}/{name}",
                )
        return size

    def _writing(self) -> AbstractContextManager[None]:
        problem = f"copies of {self.label} cannot be written"
        where = f"{self._home.parent}"
        return os_errors(problem, StoreError, where=where, allowed=_ALLOWED, hint=_HINT)
