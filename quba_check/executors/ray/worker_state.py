"""The state of a worker of Ray: its calls, and the reason for its death."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from quba_check.errors import OptionError
from quba_check.executors.ray.worker import Machine

UNKNOWN_MACHINE = Machine("", "", 0)
DEPTH = 2
"""Calls of a worker: one that it answers, and the next, so that its device is never idle."""


@dataclass(eq=False)
class WorkerCall:
    """A call of a method of a worker.

    Attributes:
        argument: of the method, in addition to the model.
        deaths: workers that died while they had it.
        nodes: machines of the workers that died or were lost meanwhile.
    """

    argument: Any
    deaths: int = 0
    nodes: set[str] = field(default_factory=set)


@dataclass(eq=False)
class WorkerState:
    """A process of a worker and its calls.

    Attributes:
        actor: Ray's handle of the process.
        starting: answer about its machine; None once it runs.
        deaths: processes in this one's place that died one after another without an answer.
        machine: its machine, once it runs.
        calls: calls without an answer.
    """

    actor: Any
    starting: Any
    deaths: int = 0
    machine: Machine = UNKNOWN_MACHINE
    calls: dict[Any, WorkerCall] = field(default_factory=dict)

    @property
    def has_room(self) -> bool:
        """True if the worker takes another call.

        One that was there when a worker died is answered alone, to find out which of two was the reason.
        """
        is_alone = any(call.deaths for call in self.calls.values())
        return self.starting is None and not is_alone and len(self.calls) < DEPTH


def check_can_start(error: Exception) -> None:
    """Check that a worker did not die of its environment.

    Raises:
        OptionError: it did.
    """
    from ray.exceptions import RuntimeEnvSetupError

    reason = last_words(error)
    if isinstance(error, RuntimeEnvSetupError):
        raise OptionError(
            f"ray.runtime_env cannot be set up on a machine: {reason}", where="--quba-executor-settings"
        )
    if getattr(error, "actor_init_failed", False):
        raise OptionError(
            f"--quba-executor=ray: a worker cannot start: {reason} Install quba-check on each machine, "
            "or name it in ray.runtime_env of --quba-executor-settings."
        )


def last_words(error: Exception) -> str:
    r"""Return the reason of Ray's error about a worker, on one line.

    >>> last_words(Exception("The actor died.\n\tpid: 7\nIts process died. Some common causes: (1)"))
    'Its process died.'
    """
    lines = [line for line in str(error).splitlines() if line.strip() and not line.startswith("\t")]
    reason = (lines[1] if len(lines) > 1 else lines[0]).partition(" Some common causes")[0]
    if getattr(error, "actor_init_failed", False) or "Traceback (most recent call last)" in str(error):
        reason = lines[-1]
    return reason.strip().rstrip(".") + "."
