"""Running evaluations of a store: small files that their processes renew every few seconds."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from quba_check.errors import StoreError
from quba_check.messages import printable
from quba_check.storage.objects import ObjectStore

FOLDER = "active"
BEAT_SECONDS = 5.0
"""Time between two signs of life."""
SILENT_SECONDS = 60.0
"""Silence after which a run counts as dead. It allows for clocks that differ between machines."""
FORGOTTEN_SECONDS = 3600.0
"""Silence after which a run of another machine is removed from the list."""
LARGEST = 3 * 10**10
"""Largest number in a file. As a Unix time it is in the year 2920; Windows has no dates after 3000."""
Text = Annotated[str, AfterValidator(printable)]
Count = Annotated[int, Field(ge=0, le=LARGEST)]
Seconds = Annotated[float, Field(ge=0, le=LARGEST)]


@dataclass(frozen=True, slots=True, config=ConfigDict(strict=True, allow_inf_nan=False))
class ActiveRun:
    """A running evaluation.

    Attributes:
        run: name of its file, without folder and suffix.
        models: names of the models.
        pid: process id on that machine.
        started: Unix time of its start.
        at: Unix time of the last sign of life.
        machine: name of the machine or container since its start, by `this_machine`; empty if unknown.
        format: version of the file.
    """

    run: Annotated[str, Field(pattern="^[^/]*$"), AfterValidator(printable)]
    models: tuple[Text, ...]
    pid: Count
    started: Seconds
    at: Seconds
    machine: Text = ""
    format: Literal[1] = 1

    @property
    def name(self) -> str:
        """Name of its file, relative to the store."""
        return f"{FOLDER}/{self.run}.json"

    def encode(self) -> bytes:
        """Return the content of its file."""
        return _FILE.dump_json(self)

    def is_dead(self, now: float) -> bool:
        """Return True if the process ended, or gave no sign of life for long."""
        return now - self.at > SILENT_SECONDS or self.has_ended()

    def is_forgotten(self, now: float) -> bool:
        """Return True if its file can be removed; a run that lives writes it again."""
        return now - self.at > FORGOTTEN_SECONDS or self.has_ended()

    def has_ended(self) -> bool:
        """Return True if the process was one of this machine and ended."""
        # On Windows, signal 0 would end the process.
        if self.machine != this_machine() or os.name == "nt" or self.pid < 1:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):  # a process of another user
            return False
        return False


_FILE = TypeAdapter(ActiveRun)


def this_machine() -> str:
    """Return a name of this machine, or container, since it was started."""
    names = [socket.gethostname()]
    with suppress(OSError):
        names.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        names.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(names)


def new_run(models: Iterable[str]) -> ActiveRun:
    """Return the run of this process."""
    now = time.time()
    run = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime(now))}-{uuid.uuid4().hex[:8]}"
    names = tuple(dict.fromkeys(models))
    return ActiveRun(run, names, pid=os.getpid(), started=now, at=now, machine=this_machine())


def active_runs(objects: ObjectStore) -> list[ActiveRun]:
    """Return the runs of a store, dead ones included, in the order of their start.

    Files of other versions and damaged ones are left out.
    """
    runs = {}
    for file in objects.list(FOLDER):  # a file that is renewed meanwhile may be listed twice
        if file.name.endswith(".tmp"):
            continue
        with suppress(ValueError, FileNotFoundError, StoreError):
            runs[file.name] = _FILE.validate_json(objects.get(file.name))
    return sorted(runs.values(), key=lambda run: (run.started, run.run))


def remove_forgotten(objects: ObjectStore, runs: Iterable[ActiveRun], now: float) -> None:
    """Remove the files of dead runs that `ActiveRun.is_forgotten` names.

    A store that cannot be written keeps them.
    """
    for run in runs:
        if run.is_forgotten(now):
            with suppress(StoreError):
                objects.delete(run.name)
