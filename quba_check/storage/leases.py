"""Leases: locks between machines, as files that their owners keep young.

A lease saves work and protects nothing: two machines may hold the same one for a short time. The files that
they write are created only if absent, and the same name means the same content.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from quba_check.errors import UserError
from quba_check.storage.remote_files import RemoteFiles

DEAD_SECONDS = 60.0
"""A lease whose file does not change for this time is free. Its owner was killed or lost its network."""
BEATS = 4
"""Times that an owner writes its leases in `DEAD_SECONDS`."""
LONGEST_AGE = 3600.0
"""Age at which a file is old by its own clock, without watching it. Clocks differ by less."""
LINGER_SECONDS = 2.0
"""Time that an unused lease is kept, since work on the next shard often follows."""
ASK_SECONDS = 2.0
"""Least time between two requests for a lease of another owner."""
_TICK = 0.5


class Beat(NamedTuple):
    """Content of the file of a lease.

    Attributes:
        owner: random text of the owner.
        machine: see `this_machine`.
        pid: its process.
        time: seconds since 1970 by its clock.
    """

    owner: str
    machine: str
    pid: int
    time: float


@dataclass(slots=True)
class _Held:
    """A lease of this owner."""

    users: int
    written: float
    unused: float = 0.0

    def is_unused(self, now: float) -> bool:
        """Return True if nothing used the lease for a while."""
        return not self.users and now - self.unused > LINGER_SECONDS


@dataclass(slots=True)
class _Watched:
    """A lease of another owner."""

    content: bytes
    since: float
    asked: float = field(default=0.0)


class Leases:
    """The leases of one owner, an object of one process.

    A thread keeps them young while there are any.

    Args:
        files: the place of the files, shared by all owners.
        folder: the folder of the files in it.
        before_release: called before a lease ends, for example to complete writes.
    """

    def __init__(self, files: RemoteFiles, folder: str, before_release: Callable[[], None]) -> None:
        self.owner = uuid.uuid4().hex
        self._files = files
        self._folder = folder
        self._before_release = before_release
        self._held: dict[str, _Held] = {}
        self._watched: dict[str, _Watched] = {}
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._is_closed = threading.Event()

    def has(self, name: str) -> bool:
        """Return True if this owner has the lease, perhaps unused."""
        return name in self._held

    def take(self, name: str) -> bool:
        """Use a lease; return False if another owner has it.

        Another owner's lease is asked for again after `ASK_SECONDS`.

        Raises:
            UserError: the file cannot be written.
        """
        with self._lock:
            held = self._held.get(name)
            if held is None:
                if not self._acquire(name):
                    return False
                held = self._held[name] = _Held(0, time.monotonic())
                self._start()
            held.users += 1
            return True

    def give(self, name: str) -> None:
        """End one use of a lease. It is kept for a short time, for the next use."""
        with self._lock:
            held = self._held[name]
            held.users -= 1
            held.unused = time.monotonic()

    def close(self) -> None:
        """Release all leases."""
        self._is_closed.set()
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            self._release([*self._held])

    def _acquire(self, name: str) -> bool:
        """Write the file of a lease, if it is free."""
        now = time.monotonic()
        watched = self._watched.get(name)
        if watched is not None and now - watched.asked < ASK_SECONDS:
            return False
        path = self._path(name)
        if self._files.create(path, self._content()):
            self._watched.pop(name, None)
            return True
        try:
            content = self._files.read(path)
        except FileNotFoundError:
            return self._files.create(path, self._content())
        if watched is None or watched.content != content:
            watched = self._watched[name] = _Watched(content, now)
        watched.asked = now
        if not self._is_free(content) and now - watched.since < DEAD_SECONDS:
            return False
        self._files.replace(path, self._content())
        del self._watched[name]
        return True

    def _is_free(self, content: bytes) -> bool:
        """Return True if the owner of a lease is known to have ended."""
        beat = _beat(content)
        if beat is None:
            return False
        if beat.machine == this_machine():
            return beat.owner == self.owner or not _is_running(beat.pid)
        return time.time() - beat.time > LONGEST_AGE

    def _content(self) -> bytes:
        return json.dumps(Beat(self.owner, this_machine(), os.getpid(), time.time())._asdict()).encode()

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name}.json"

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._is_closed.clear()
            self._thread = threading.Thread(target=self._keep, name="quba-leases", daemon=True)
            self._thread.start()

    def _keep(self) -> None:
        """Write used leases again, and release unused ones, until none is left."""
        while not self._is_closed.wait(_TICK):
            now = time.monotonic()
            with self._lock:
                unused = [name for name, held in self._held.items() if held.is_unused(now)]
            for name, held in list(self._held.items()):
                if name not in unused and now - held.written > DEAD_SECONDS / BEATS:
                    with suppress(UserError):  # the next beat may reach the server again
                        self._files.replace(self._path(name), self._content())
                        held.written = now
            with self._lock:
                self._release([name for name in unused if not self._held[name].users])
                if not self._held:
                    self._thread = None
                    return

    def _release(self, names: list[str]) -> None:
        if names:
            self._before_release()
        for name in names:
            with suppress(UserError):  # others take it over once it is old
                self._files.remove(self._path(name))
            del self._held[name]


def this_machine() -> str:
    """Return a name of this machine, or container, since it was started."""
    names = [socket.gethostname()]
    with suppress(OSError):
        names.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        names.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(names)


def _is_running(pid: int) -> bool:
    """Return False if no process of this machine has a process id."""
    if os.name == "nt":  # there, the call would end the process
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _beat(content: bytes) -> Beat | None:
    try:
        values: dict[str, Any] = json.loads(content)
        return Beat(str(values["owner"]), str(values["machine"]), int(values["pid"]), float(values["time"]))
    except (ValueError, KeyError, TypeError):
        return None
