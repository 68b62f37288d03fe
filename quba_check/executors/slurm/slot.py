"""A worker of SLURM, with the tasks that it has."""

from __future__ import annotations

from dataclasses import dataclass, field

from quba_check.executors.slurm.heartbeat import Pulse

DEPTH = 2
"""Most tasks of a worker: one is predicted while the next is read ahead."""


@dataclass
class Slot:
    """A worker and its tasks.

    Attributes:
        name: name of the worker.
        job: number of its job.
        host: name of its machine.
        pulse: its heartbeat.
        tasks: numbers of its tasks.
        dropped: tasks in work whose answers nobody waits for any more.
        has_answered: it answered a task.
        is_alone: its task is predicted alone, to find out whether it ends workers.
        is_usable: it lives and takes tasks.
        is_gone: it ended.
    """

    name: str
    job: int
    host: str
    pulse: Pulse
    tasks: set[int] = field(default_factory=set)
    dropped: set[int] = field(default_factory=set)
    has_answered: bool = False
    is_alone: bool = False
    is_usable: bool = True
    is_gone: bool = False

    @property
    def has_room(self) -> bool:
        """True if the worker takes another task.

        One that still works on dropped tasks takes none, since an error of those would hit it too.
        """
        is_free = not self.is_alone and not self.dropped
        return self.is_usable and is_free and len(self.tasks) < DEPTH
