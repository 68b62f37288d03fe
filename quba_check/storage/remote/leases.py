"""Leases: locks between machines, as files that belong to a living owner.

A lease saves work and protects nothing: two machines may hold the same one for a short time. The files that
they write are created only if absent, and the same name means the same content.
"""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from quba_check.errors import UserError
from quba_check.storage.json_text import parse_json
from quba_check.storage.processes import has_ended, this_machine
from quba_check.storage.remote.files import RemoteFiles

DEAD_SECONDS = 60.0
"""An owner whose file does not change for this time was killed, or lost its network."""
BEAT_SECONDS = 15.0
LONGEST_AGE = 3600.0
"""Age in seconds at which an owner's file is old without being watched. Clocks differ by less."""
LINGER_SECONDS = 30.0
"""Time that an unused lease is kept, since work on the next shard often follows."""
ASK_SECONDS = 2.0
"""Least time between two requests for a lease of another owner."""
_TICK = 0.5


@dataclass(slots=True)
class _Held:
    """A lease of this owner: number of uses, and monotonic times."""

    users: int
    acquired: float
    unused: float = 0.0


@dataclass(slots=True)
class _Watched:
    """The file of another owner, since when it has this content."""

    content: bytes
    since: float


class Leases:
    """The leases of one owner, an object of one process.

    While it has any, a thread writes the file of the owner every few seconds.

    Args:
        files: the place of the files, shared by all owners.
        folder: their folder in it.
        before_release: called before a lease ends, for example to complete writes.
    """

    def __init__(self, files: RemoteFiles, folder: str, before_release: Callable[[], None]) -> None:
        self.owner = uuid.uuid4().hex
        self._files = files
        self._folder = folder
        self._before_release = before_release
        self._held: dict[str, _Held] = {}
        self._refused: dict[str, float] = {}
        self._watched: dict[str, _Watched] = {}
        self._has_dead = False
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._is_closed = threading.Event()

    def take(self, name: str) -> float | None:
        """Use a lease.

        Another owner's lease is asked for again after `ASK_SECONDS`.

        Returns:
            The time by the monotonic clock when this owner acquired it; None if another owner has it.

        Raises:
            UserError: the file cannot be written.
        """
        with self._lock:
            held = self._held.get(name)
            if held is None:
                if time.monotonic() - self._refused.get(name, 0.0) < ASK_SECONDS:
                    return None
                if not self._acquire(name):
                    self._refused[name] = time.monotonic()
                    return None
                held = self._held[name] = _Held(0, time.monotonic())
            held.users += 1
            return held.acquired

    def give(self, name: str) -> None:
        """End one use of a lease, which is kept for the next use."""
        with self._lock:
            if (held := self._held.get(name)) is not None:
                held.users -= 1
                held.unused = time.monotonic()

    def release(self, names: Iterable[str]) -> None:
        """Release leases that nothing uses; others stay."""
        with self._lock:
            unused = [name for name in names if name in self._held and not self._held[name].users]
            if unused:
                self._before_release()
            for name in unused:
                with suppress(UserError):  # other owners take it once this one has ended
                    self._files.remove(self._path(name))
                del self._held[name]

    def close(self) -> None:
        """Release all leases, used or not, and remove the file of the owner."""
        self._is_closed.set()
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            for held in self._held.values():
                held.users = 0
            self.release([*self._held])
            if self._thread is not None:
                with suppress(UserError):
                    self._files.remove(self._path(_owner_name(self.owner)))
                    self._sweep()
            self._thread = None

    def _sweep(self) -> None:
        """Remove the files of owners that ended without removing them."""
        files = self._files.listing(f"{self._folder}/")
        newest = max((file.modified or 0.0 for file in files.values()), default=0.0)
        old = {name for name, file in files.items() if newest - (file.modified or newest) > LONGEST_AGE}
        for path in files if self._has_dead else old:
            with suppress(FileNotFoundError, ValueError, KeyError, TypeError):
                owner = parse_json(self._files.read(path))["owner"]
                if self._path(_owner_name(owner)) not in files.keys() - old:
                    self._files.remove(path)

    def _acquire(self, name: str) -> bool:
        """Write the file of a lease, if it is free."""
        self._start()
        path = self._path(name)
        if self._files.create(path, self._content()):
            return True
        try:
            content = self._files.read(path)
        except FileNotFoundError:
            return self._files.create(path, self._content())
        if not self._is_free(content):
            return False
        self._files.replace(path, self._content())
        return True

    def _is_free(self, lease: bytes) -> bool:
        """Return True if the owner of a lease has ended."""
        try:
            values = parse_json(lease)
            owner, machine, pid = str(values["owner"]), str(values["machine"]), int(values["pid"])
        except (ValueError, KeyError, TypeError):
            return True
        if owner == self.owner:
            return True
        is_dead = has_ended(machine, pid) or self._is_silent(owner)
        if is_dead:
            self._has_dead = True
            self._files.remove(self._path(_owner_name(owner)))
        return is_dead

    def _is_silent(self, owner: str) -> bool:
        """Return True if another owner's file is gone, or was not written for long."""
        try:
            beat = self._files.read(self._path(_owner_name(owner)))
        except FileNotFoundError:
            return True
        now, watched = time.monotonic(), self._watched.get(owner)
        if watched is None or watched.content != beat:
            watched = self._watched[owner] = _Watched(beat, now)
        return now - watched.since > DEAD_SECONDS or time.time() - _time_of(beat) > LONGEST_AGE

    def _content(self) -> bytes:
        values = {"owner": self.owner, "machine": this_machine(), "pid": os.getpid(), "time": time.time()}
        return json.dumps(values).encode()

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name}.json"

    def _start(self) -> None:
        """Write the file of the owner, and keep it young from a thread."""
        if self._thread is None:
            self._is_closed.clear()
            self._files.replace(self._path(_owner_name(self.owner)), self._content())
            self._thread = threading.Thread(target=self._keep, name="quba-leases", daemon=True)
            self._thread.start()

    def _keep(self) -> None:
        """Write the owner's file regularly, and release leases that were unused for long."""
        written = time.monotonic()
        while not self._is_closed.wait(_TICK):
            now = time.monotonic()
            if now - written > BEAT_SECONDS:
                with suppress(UserError):  # the next one may reach the server again
                    self._files.replace(self._path(_owner_name(self.owner)), self._content())
                    written = now
            with self._lock:
                self.release(
                    [name for name, held in self._held.items() if now - held.unused > LINGER_SECONDS]
                )


def _owner_name(owner: str) -> str:
    return f"owner-{owner}"


def _time_of(beat: bytes) -> float:
    """Return the time in the file of an owner; now, if it has none."""
    try:
        return float(parse_json(beat)["time"])
    except (ValueError, KeyError, TypeError):
        return time.time()
