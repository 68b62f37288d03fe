"""Copies of a remote data folder: made when a set is used, bounded in size."""

from __future__ import annotations

import math
import os
import posixpath
import shutil
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from filelock import FileLock

from quba_check.errors import StoreError, SuiteError
from quba_check.storage.remote.files import RemoteFiles
from quba_check.storage.remote.listing import Listing, current_listing, earlier_listing
from quba_check.storage.remote.mirrored_sets import MirroredSet, Pin, make_room
from quba_check.storage.store import content_hash
from quba_check.storage.user_files import reason, remove

GIGABYTE, MEGABYTE = 10**9, 10**6
ANNOUNCED_BYTES = MEGABYTE
"""Copying less takes no noticeable time."""
DOWNLOADS = 16
"""Files that are copied at the same time. A request takes longer than a small file."""
LONGEST_WAIT = 3600.0
"""Seconds to wait for other runs until there is room. They move on to other sets."""
WAIT_SECONDS = 0.5
_ADVICE = (
    "Allowed: a larger disk. Name another store with --quba-store DIR, or another TMPDIR for workers, or "
    "free some space."
)
PINNED_REQUESTS = 2
"""Latest requests whose files stay: threads may still read the images of the previous view."""


def _ignore(text: str) -> None:
    """Show nothing."""


@dataclass(frozen=True, slots=True)
class MirrorSettings:
    """Size of the copies, and their listing.

    Attributes:
        gigabytes: largest total size of the copies.
        listed_since: time in seconds since 1970; an older listing of the files is not used. The processes of
            a run share its start.
        announce: called with each step before predictions.
        show_step: called with the progress of such a step.
    """

    gigabytes: float = 100.0
    listed_since: float = math.inf
    announce: Callable[[str], None] = field(default=_ignore, repr=False)
    show_step: Callable[[str], None] = field(default=_ignore, repr=False)

    def silent(self) -> MirrorSettings:
        """Return the settings without functions, for other processes."""
        return MirrorSettings(self.gigabytes, self.listed_since)


@dataclass(frozen=True, slots=True)
class FileSet:
    """Files that are copied and removed together.

    Attributes:
        title: name in messages, such as `the set 'clean'`.
        names: the files, relative to the URL.
        folder: folder of the notes on it, which names it.
    """

    title: str
    names: tuple[str, ...]
    folder: Path


class Mirror:
    """The files behind a URL, copied to this machine when they are needed.

    Layout: `<folder>/<hash of the URL>/<version of the listing>/files/` holds the copies. A file never
    changes there: another version of the listing has another folder, which takes unchanged files from the
    previous one. Any number of processes may use one folder. Methods may be called from any thread.

    Args:
        url: the URL.
        folder: folder of all copies on this machine; created if missing.
        settings: size of the copies, and their listing.

    Attributes:
        settings: the settings.
        shown: the URL for messages and records.
        root: folder of the copies.
        listing: the files behind the URL.

    Raises:
        SuiteError: the URL cannot be listed.
        StoreError: the folder cannot be written.
    """

    def __init__(self, url: str, folder: Path, settings: MirrorSettings) -> None:
        self._remote = RemoteFiles(url, "--quba-data", SuiteError)
        self.settings = settings
        self._folder = folder.absolute()
        self._home = self._folder / content_hash(self._remote.url)[:16]
        self.shown = self._remote.shown
        settings.announce(f"listing {self.shown}")
        with self._writing():
            self.listing = current_listing(self._remote, self._home, settings.listed_since)
        self.root = self._home / self.listing.version / "files"
        self._pins: dict[Path, Pin] = {}
        weakref.finalize(self, _release, self._pins)  # also when the interpreter ends
        self._requests: list[frozenset[Path]] = []
        self._known: dict[Path, FileSet] = {}
        self._lock = threading.RLock()

    def file_set(self, title: str, names: Iterable[str]) -> FileSet:
        """Return a set of files; names that are not behind the URL are skipped."""
        listed = tuple(sorted({name for name in names if name in self.listing.files}))
        return FileSet(title, listed, self.root.parent / "sets" / content_hash(listed)[:16])

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other threads from requests, which may remove the files of earlier ones."""
        with self._lock:
            yield

    def fetch(self, *sets: FileSet) -> None:
        """Copy the files of sets that are not on this machine.

        They stay at least until the next request.

        Raises:
            SuiteError: they are larger than the limit, or cannot be read.
            StoreError: they cannot be written, or other runs use too much of the room.
        """
        requested = {one.folder: one for one in sets if one.names}
        with self._lock, self._writing():
            if not requested.keys() <= self._pins.keys():
                self._check_size([*requested.values()])
                missing = self._pin_missing(requested)
                try:
                    for one in missing:
                        self._complete(one)
                except BaseException:  # also Ctrl-C: what is pinned counts as complete
                    self._unpin(one.folder for one in missing)
                    raise
            for folder in requested:
                MirroredSet(folder).touch()
            self._known |= requested
            self._keep_latest(frozenset(requested))

    def restore(self, name: str) -> None:
        """Copy a file again that was removed with its set since it was fetched.

        Raises:
            UserError: see `fetch`.
        """
        name = posixpath.normpath(name)
        with self._lock:
            if (self.root / name).exists():
                return
            one = next((one for one in self._known.values() if name in one.names), None)
            if one is not None:
                self._unpin([one.folder])
                MirroredSet(one.folder).set_complete(False)  # somebody may have removed the file by hand
                self.fetch(one)

    def _keep_latest(self, request: frozenset[Path]) -> None:
        """Release the sets of older requests; they may then be removed."""
        whole = next((earlier for earlier in self._requests if request <= earlier), request)
        others = [earlier for earlier in self._requests if earlier != whole]
        self._requests = [*others, whole][-PINNED_REQUESTS:]
        kept = frozenset().union(*self._requests)
        self._unpin([folder for folder in self._pins if folder not in kept])

    def _unpin(self, folders: Iterable[Path]) -> None:
        for folder in folders:
            if pin := self._pins.pop(folder, None):
                pin.release()

    def _check_size(self, sets: Sequence[FileSet]) -> None:
        size = sum(self.listing.size(one.names) for one in sets)
        if size <= self._limit_bytes:
            return
        takes = "takes" if len(sets) == 1 else "take"
        raise SuiteError(
            f"{self.shown}: {_titles(sets)} {takes} {size / GIGABYTE:.4g} GB, more than this machine may "
            f"keep ({self.settings.gigabytes:g} GB). Allowed: --quba-mirror-gb "
            f"{math.ceil(size / GIGABYTE * 10) / 10:g} or more, or fewer images."
        )

    def _pin_missing(self, requested: Mapping[Path, FileSet]) -> list[FileSet]:
        """Keep other processes from removing sets, once there is room for all.

        Returns:
            The sets that were not kept before; their files may be missing.
        """
        deadline, is_first = time.monotonic() + LONGEST_WAIT, True
        while (missing := self._try_to_pin(requested)) is None:
            if time.monotonic() >= deadline:
                size = sum(self.listing.size(one.names) for one in requested.values())
                raise StoreError(
                    f"{self._folder}: there is no room for {_titles(requested.values())} of {self.shown} "
                    f"({size / GIGABYTE:.4g} GB) next to the data that other runs read. Allowed: "
                    f"--quba-mirror-gb above {self.settings.gigabytes:g}, or wait until they end."
                )
            if is_first:
                self.settings.announce(f"waiting until other runs leave room in {self._folder}")
            is_first = False
            time.sleep(WAIT_SECONDS)
        return missing

    def _try_to_pin(self, requested: Mapping[Path, FileSet]) -> list[FileSet] | None:
        missing = [one for one in requested.values() if one.folder not in self._pins]
        with FileLock(self._folder / "room.lock"):
            self._pins |= {one.folder: MirroredSet(one.folder).pin() for one in missing}
            new = [one for one in missing if not MirroredSet(one.folder).is_reserved]
            needed = sum(self.listing.size(one.names) for one in new)
            if new and not make_room(self._folder, needed, self._limit_bytes, self._pins, requested):
                self._unpin([*self._pins])  # two processes that keep their sets could wait for each other
                return None
            for one in new:
                MirroredSet(one.folder).reserve(one.names, self.listing.size(one.names))
        return missing

    @property
    def _limit_bytes(self) -> int:
        return int(self.settings.gigabytes * GIGABYTE)

    def _complete(self, one: FileSet) -> None:
        """Copy the missing files of a set, or wait until another process has."""
        notes = MirroredSet(one.folder)
        with notes.download_lock():
            if not notes.is_complete:
                self._download(one, one.folder / "unfinished")
                notes.set_complete(True)

    def _download(self, files: FileSet, unfinished: Path) -> None:
        """Copy the missing files of a set.

        Args:
            files: the set.
            unfinished: folder of files that are being copied; those of an earlier process are removed.
        """
        missing = [name for name in files.names if not (self.root / name).exists()]
        total = self.listing.size(missing)
        free = shutil.disk_usage(self._folder).free
        if total > free:
            raise StoreError(
                f"{self._folder}: {files.title} of {self.shown} takes {total / GIGABYTE:.4g} GB, and "
                f"{free / GIGABYTE:.4g} GB are free on this disk. {_ADVICE}"
            )
        if total >= ANNOUNCED_BYTES:
            amount = "1 file" if len(missing) == 1 else f"{len(missing):,} files"
            size = f"{total / GIGABYTE:.1f} GB" if total >= GIGABYTE else f"{total / MEGABYTE:.0f} MB"
            self.settings.announce(f"copying {files.title} from {self.shown}: {amount}, {size}")
        remove(unfinished)
        unfinished.mkdir()
        earlier, pool = self._earlier, ThreadPoolExecutor(DOWNLOADS)
        copied = percent = 0
        try:
            jobs = {pool.submit(self._copy, name, unfinished, earlier): name for name in missing}
            for job in as_completed(jobs):
                job.result()
                copied += self.listing.files[jobs[job]].size
                if total and (done := 100 * copied // total) > percent:
                    percent = done
                    self.settings.show_step(f"{files.title}, {percent} % copied")
        finally:
            pool.shutdown(cancel_futures=True)
        remove(unfinished)

    def _copy(self, name: str, unfinished: Path, earlier: Listing | None) -> None:
        path, expected = self.root / name, self.listing.files[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        if earlier is not None and self._link(name, earlier, path):
            return
        copy, place = unfinished / content_hash(name), f"{self.shown}/{name}"
        try:
            self._remote.download(name, copy)
        except FileNotFoundError:
            raise SuiteError(f"{place}: was removed since it was listed. Start the run again.") from None
        size = copy.stat().st_size
        if size != expected.size:
            raise SuiteError(
                f"{place}: changed since it was listed, from {expected.size:,} to {size:,} bytes. Start the "
                "run again."
            )
        copy.replace(path)

    def _link(self, name: str, earlier: Listing, path: Path) -> bool:
        """Take an unchanged file from the copies of an earlier listing, if it is there."""
        file, expected = earlier.files.get(name), self.listing.files[name]
        if file is None or (file.size, file.version) != (expected.size, expected.version):
            return False
        try:
            os.link(self._home / earlier.version / "files" / name, path)
        except OSError:  # it was removed, or the file system has no links
            return False
        return True

    @cached_property
    def _earlier(self) -> Listing | None:
        return earlier_listing(self._home, self.listing.version)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"{self._folder}: copies of {self.shown} cannot be written ({reason(error)}). {_ADVICE}"
            ) from None


def _titles(sets: Collection[FileSet]) -> str:
    first = next(iter(sets)).title
    return first if len(sets) == 1 else f"{first} and {len(sets) - 1} others together"


def _release(pins: dict[Path, Pin]) -> None:
    while pins:
        pins.popitem()[1].release()
