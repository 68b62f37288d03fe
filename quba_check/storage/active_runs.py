"""Running evaluations of a store: small files that their processes renew every few seconds."""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields

from quba_check.errors import StoreError
from quba_check.messages import printable
from quba_check.storage.json_text import parse_json
from quba_check.storage.processes import has_ended, this_machine
from quba_check.storage.store_files import StoreFiles

FOLDER = "active"
FORMAT = 1
BEAT_SECONDS = 5.0
"""Time between two signs of life."""
SILENT_SECONDS = 60.0
"""Silence after which a run counts as dead. It allows for clocks that differ between machines."""
FORGOTTEN_SECONDS = 3600.0
"""Silence after which a run of another machine is removed from the list."""
LARGEST = 10**11
"""Largest number in a file. As a Unix time it is in the year 5138."""
_TEXTS = ("run", "host", "work", "left", "machine")


@dataclass(frozen=True, slots=True)
class ActiveRun:
    """A running evaluation.

    Attributes:
        run: name of its file, without folder and suffix.
        models: names of the models.
        host: name of the machine, for messages; containers may share it.
        pid: process id on that machine.
        started: Unix time of its start.
        at: Unix time of the last sign of life.
        work: present work, such as `measuring clean`; empty if unknown.
        images: images predicted so far.
        done: finished share of the planned passes in [0, 1]; None before the plan.
        left: time left in words, such as `about 12 min`; empty if unknown.
        left_seconds: the same in seconds; None if unknown.
        machine: name of the machine or container since its start, by `this_machine`; empty if unknown.
    """

    run: str
    models: tuple[str, ...]
    host: str
    pid: int
    started: float
    at: float
    work: str = ""
    images: int = 0
    done: float | None = None
    left: str = ""
    left_seconds: float | None = None
    machine: str = ""

    @property
    def name(self) -> str:
        """Name of its file, relative to the store."""
        return f"{FOLDER}/{self.run}.json"

    def encode(self) -> bytes:
        """Return the content of its file."""
        return json.dumps({"format": FORMAT, **asdict(self)}).encode()

    def silence(self, now: float) -> float:
        """Return the seconds since the last sign of life, not negative."""
        return max(0.0, now - self.at)

    def is_dead(self, now: float) -> bool:
        """Return True if the process ended, or gave no sign of life for long."""
        return self.silence(now) > SILENT_SECONDS or self.has_ended()

    def is_forgotten(self, now: float) -> bool:
        """Return True if its file can be removed; a run that lives writes it again."""
        return self.silence(now) > FORGOTTEN_SECONDS or self.has_ended()

    def has_ended(self) -> bool:
        """Return True if this machine knows that the process ended."""
        return has_ended(self.machine, self.pid)


def new_run(models: Iterable[str]) -> ActiveRun:
    """Return the run of this process, without progress."""
    now = time.time()
    run = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime(now))}-{uuid.uuid4().hex[:8]}"
    return ActiveRun(
        run,
        models=tuple(dict.fromkeys(models)),
        host=socket.gethostname(),
        pid=os.getpid(),
        started=now,
        at=now,
        machine=this_machine(),
    )


def active_runs(store: StoreFiles) -> list[ActiveRun]:
    """Return the runs of a store, dead ones included, in the order of their start.

    Files of other versions and damaged ones are left out.
    """
    runs = []
    for content in store.published(FOLDER).values():
        with suppress(ValueError, TypeError, KeyError):
            runs.append(_decode(content))
    return sorted(runs, key=lambda run: (run.started, run.run))


def remove_forgotten(store: StoreFiles, runs: Iterable[ActiveRun], now: float) -> None:
    """Remove the files of dead runs that `ActiveRun.is_forgotten` names.

    A store that cannot be written keeps them.
    """
    for run in runs:
        if run.is_forgotten(now):
            with suppress(StoreError):
                store.withdraw(run.name)


def _decode(content: bytes) -> ActiveRun:
    """Return the run in a file.

    Raises:
        ValueError, TypeError, KeyError: it has another format or other types of values.
    """
    values = parse_json(content)
    if values["format"] != FORMAT:
        raise ValueError("another format")
    run = ActiveRun(**{field.name: values[field.name] for field in fields(ActiveRun)})
    optional = [number for number in (run.done, run.left_seconds) if number is not None]
    numbers = [run.pid, run.images, run.started, run.at, *optional]
    is_fit = (
        all(isinstance(getattr(run, name), str) for name in _TEXTS)
        and all(isinstance(number, int | float) and 0 <= number <= LARGEST for number in numbers)
        and all(isinstance(number, int) for number in (run.pid, run.images))
        and isinstance(values["models"], list)
        and all(isinstance(model, str) for model in values["models"])
        and "/" not in run.run
    )
    if not is_fit:
        raise TypeError("values of other types")
    return ActiveRun(**{**printable(asdict(run)), "models": tuple(printable(values["models"]))})
