"""A cluster of Ray: its connection, and the resources and states of workers."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from quba_check.errors import OptionError
from quba_check.executors.ray.worker import Machine

CONNECT_SECONDS = 5
"""Longest wait for the first answer of a cluster's port. Ray itself waits for minutes and logs meanwhile."""
UNKNOWN_MACHINE = Machine("", "", 0)
DEPTH = 2
"""Calls of a worker: one that it answers, and the next, so that its device is never idle."""


@dataclass(frozen=True, slots=True)
class WorkerResources:
    """Resources of a worker and the number of workers.

    Attributes:
        gpus: GPUs that Ray reserves, 0 or 1.
        cores: cores that a worker may use for reading images; Ray reserves one.
        count: number of workers.
    """

    gpus: int
    cores: int
    count: int

    def __str__(self) -> str:
        return "1 CPU and 1 GPU" if self.gpus else "1 CPU"


def connect(address: str) -> tuple[Any, bool]:
    """Connect to a cluster, or start one on this machine.

    Args:
        address: `local` for a new one, `auto` for that of this machine, `HOST:PORT` or `ray://HOST:PORT` for
            another; empty for `$RAY_ADDRESS`, else a new one.

    Returns:
        The module ray, and False if this process was connected already, by another user of Ray.

    Raises:
        OptionError: the cluster cannot be used.
    """
    import ray

    if ray.is_initialized():
        return ray, False
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    where = f"--quba-executor=ray:{address}"
    _check_port(address, where)
    try:
        with _own_sigterm_handler():
            ray.init(
                address=address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False
            )
    except Exception as error:  # noqa: BLE001  errors of many kinds; the words of Ray state the reason
        raise OptionError(f"cannot be used: {error!s}", where=where) from None
    # Ray would print the messages of all machines about lost workers, which this executor replaces.
    ray._private.worker._worker_logs_enabled = False
    return ray, True


def resources(nodes: Sequence[Mapping[str, Any]], *, use_gpus: bool) -> WorkerResources:
    """Return the resources of each worker.

    There is one worker per GPU of the cluster, else one per core.

    Args:
        nodes: the machines, as `ray.nodes()` lists them.
        use_gpus: the model runs on a GPU if there is one.
    """
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    with_gpus = [node for node in alive if node.get("GPU", 0) >= 1]
    if with_gpus and use_gpus:
        cores = min(node.get("CPU", 1) / node["GPU"] for node in with_gpus)
        count = sum(int(node["GPU"]) for node in with_gpus)
        return WorkerResources(1, max(1, int(cores)), count)
    count = sum(int(node.get("CPU", 0)) for node in alive)
    return WorkerResources(0, 1, max(1, count))


def _check_port(address: str, where: str) -> None:
    """Check that somebody listens at an address with a host.

    Raises:
        OptionError: nobody does.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS):
            pass
    except (OSError, OverflowError) as error:
        raise OptionError(
            f"no cluster answers there ({error})",
            where=where,
            allowed="the address that 'ray start --head' prints, 'auto' for the cluster of this "
            "machine, or 'local' to start one",
        ) from None


@contextlib.contextmanager
def _own_sigterm_handler() -> Iterator[None]:
    """Keep the handler of SIGTERM.

    With that of Ray, a run would fail one item and continue.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


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
            f"the runtime_env of the job cannot be set up on a machine: {reason}", where="--quba-executor=ray"
        )
    if getattr(error, "actor_init_failed", False):
        raise OptionError(
            f"a worker cannot start: {reason} Install quba-check on each machine, or name it in "
            "the runtime_env of 'ray job submit'.",
            where="--quba-executor=ray",
        )


def last_words(error: Exception) -> str:
    r"""Return the reason of Ray's error about a worker, on one line.

    >>> last_words(Exception("The actor died.\n\tpid: 7\nIts process died. Some common causes: (1)"))
    'Its process died.'
    """
    lines = [line for line in str(error).splitlines() if line.strip() and not line.startswith("\t")]
    has_traceback = getattr(error, "actor_init_failed", False) or "Traceback (most recent" in str(error)
    reason = lines[-1] if has_traceback else lines[min(1, len(lines) - 1)]
    return reason.partition(" Some common causes")[0].strip().rstrip(".") + "."
