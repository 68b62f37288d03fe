"""Workers on a cluster of Ray: started, given calls, replaced when they die."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Collection, Generator, Iterable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from itertools import chain, islice
from typing import Any

from quba_check.core.view import View
from quba_check.engine.shards import ShardRequest, ShardResult
from quba_check.errors import ModelError, OptionError, QubaError
from quba_check.executors.ray.cluster import (
    WorkerCall,
    WorkerResources,
    WorkerState,
    check_can_start,
    connect,
    last_words,
    resources,
)
from quba_check.executors.ray.worker import RayWorker, WorkerEnvironment
from quba_check.executors.remote_worker import WorkerSpec
from quba_check.messages import needs
from quba_check.models.compute import ComputeSettings
from quba_check.number_format import counted
from quba_check.storage.shard import ShardKey

TRIES = 3
"""Deaths of workers by one call, or of one worker without an answer, after which there is no other."""
CALLS_AT_ONCE = 4
"""Calls that a worker serves at once: two, those that nobody waits for, and questions about itself."""
WAIT_MINUTES = 5
"""Minutes without any worker after which a run fails."""
RayAnswers = Generator[tuple[Any, Any], None, None]
"""Arguments of calls, each with the answer of a worker."""
TICK_SECONDS = 2.0
"""Longest wait for an answer, after which the time without workers is checked."""


class RayPool:
    """Workers of a cluster, none of which is started before the first model.

    Args:
        address: of the cluster; empty for the default.

    Attributes:
        workers: the workers.

    Raises:
        OptionError: Ray is not installed.
    """

    def __init__(self, address: str) -> None:
        if find_spec("ray") is None:
            raise OptionError(f"'ray' {needs('ray', extra='ray')}", where="--quba-executor")
        self.workers: list[WorkerState] = []
        self._address = address
        self._ray: Any = None
        self._is_ours = False
        self._kind: Any = None
        self._resources = WorkerResources(0, 1, 1)
        self._alive_at = 0.0

    def executor(self, spec: WorkerSpec) -> RayExecutor:
        """Return the executor of a model. No process is started yet.

        Raises:
            OptionError: the device is a GPU by number.
        """
        device = spec.request.device
        if device.startswith("cuda:"):
            raise OptionError(
                where="--quba-device",
                got=f"'{device}' together with --quba-executor=ray, which gives each worker a GPU of its own",
                allowed="auto, cuda, cpu",
            )
        return RayExecutor(self, spec)

    def put(self, spec: WorkerSpec) -> Any:
        """Start the workers if necessary, and send a model to the cluster.

        Raises:
            OptionError: the cluster cannot be used.
        """
        if self._ray is None:
            self._connect(use_gpus=spec.request.device != "cpu")
        if not self.workers:
            self.workers = [self._started() for _ in range(self._resources.count)]
        return self._ray.put(spec)

    def answers(self, method: str, spec: Any, arguments: Iterator[Any]) -> RayAnswers:
        """Yield each argument with the answer of a worker.

        Other such iterators, for other models, may run while this one is suspended.

        Args:
            method: name of the workers' method.
            spec: the model, see `put`.
            arguments: pulled as workers have room; messages name them.

        Raises:
            OptionError: no worker runs.
            ModelError: a call ends one worker after another.
        """
        waiting: deque[WorkerCall] = deque()
        calls: dict[Any, tuple[WorkerCall, WorkerState]] = {}
        try:
            while True:
                while (worker := self._free_worker(waiting[0] if waiting else WorkerCall(None))) is not None:
                    if not waiting:
                        waiting.extend(WorkerCall(argument) for argument in islice(arguments, 1))
                    if not waiting:
                        if not calls:
                            return
                        break
                    call = waiting.popleft()
                    answer = getattr(worker.actor, method).remote(spec, call.argument)
                    calls[answer] = (call, worker)
                    worker.calls[answer] = call
                for answer in self._answered(calls):
                    call, worker = calls.pop(answer)
                    try:
                        result = self._ray.get(answer)
                    except self._ray.exceptions.RayTaskError:
                        raise  # a bug, with the traceback of the worker
                    except self._ray.exceptions.RayError as error:
                        self._count_death(call, worker, error)
                        waiting.append(call)
                        continue
                    worker.deaths = 0
                    yield call.argument, result
        finally:
            for answer, (_, worker) in calls.items():
                worker.calls.pop(answer, None)

    def ask_all(self, method: str, argument: Any) -> list[Any]:
        """Return the answers of all workers that run; those that die are left out."""
        answers = []
        for answer in [getattr(worker.actor, method).remote(argument) for worker in self._running]:
            with contextlib.suppress(self._ray.exceptions.RayError):
                answers.append(self._ray.get(answer))
        return answers

    def close(self) -> None:
        """End the workers, and the cluster if it was started for this run."""
        for worker in self.workers:
            self._ray.kill(worker.actor)
        if self._is_ours:
            self._ray.shutdown()
        self.workers = []
        self._ray = None
        self._is_ours = False

    def _connect(self, *, use_gpus: bool) -> None:
        """Connect to the cluster, and choose the number and resources of workers."""
        self._ray, self._is_ours = connect(self._address)
        self._resources = resources(self._ray.nodes(), use_gpus=use_gpus)
        self._kind = self._ray.remote(
            num_cpus=1,
            num_gpus=self._resources.gpus,
            max_concurrency=CALLS_AT_ONCE,
            scheduling_strategy="SPREAD",
        )(RayWorker)
        self._alive_at = time.monotonic()

    @property
    def _running(self) -> list[WorkerState]:
        return [worker for worker in self.workers if worker.starting is None]

    def _started(self, deaths: int = 0) -> WorkerState:
        """Start a worker."""
        actor = self._kind.remote(WorkerEnvironment.of_this_process(), self._resources.cores)
        return WorkerState(actor, actor.machine.remote(), deaths)

    def _free_worker(self, call: WorkerCall) -> WorkerState | None:
        """Return the worker for a call, None if it must wait.

        A call whose worker died goes to another machine if there is one, and to a worker without calls.
        """
        elsewhere = [worker for worker in self._running if worker.machine.node not in call.nodes]
        free = [worker for worker in elsewhere or self._running if worker.has_room]
        if call.deaths:
            free = [worker for worker in free if not worker.calls]
        return min(free, key=lambda worker: len(worker.calls), default=None)

    def _answered(self, calls: Collection[Any]) -> list[Any]:
        """Wait for an answer of any worker; return those of these calls that are there.

        Raises:
            OptionError: no worker runs, or none can.
        """
        starting = {worker.starting: worker for worker in self.workers if worker.starting is not None}
        expected = [*{*calls, *starting, *(answer for worker in self.workers for answer in worker.calls)}]
        self._ray.wait(expected, timeout=TICK_SECONDS)
        ready = set(self._ray.wait(expected, num_returns=len(expected), timeout=0)[0])
        for worker in self.workers:
            worker.calls = {answer: call for answer, call in worker.calls.items() if answer not in ready}
        for answer in starting.keys() & ready:
            worker = starting[answer]
            try:
                machine = self._ray.get(answer)
            except self._ray.exceptions.RayError as error:
                self._replace(worker, error)
                continue
            if isinstance(machine, QubaError):
                raise machine
            worker.machine = machine
            worker.starting = None
        self._check_alive()
        return [answer for answer in calls if answer in ready]

    def _count_death(self, call: WorkerCall, worker: WorkerState, error: Exception) -> None:
        """Replace the worker of a call that died, unless that was done.

        Raises:
            OptionError: workers cannot start.
            ModelError: the call has ended one worker after another.
        """
        call.deaths += not self._is_lost(worker, error)
        call.nodes.add(worker.machine.node)
        if worker in self.workers:
            self._replace(worker, error)
        if call.deaths == TRIES:
            _, host, pid = worker.machine
            raise ModelError(
                f"{TRIES} workers died while they worked on it, the last on {host}, process {pid}: "
                f"{last_words(error)} If memory is the reason, set a smaller --quba-batch-size.",
                where=f"{call.argument}",
            )

    def _replace(self, worker: WorkerState, error: Exception) -> None:
        """Start another worker in place of one that died.

        Raises:
            OptionError: workers cannot start, or there is no other.
        """
        check_can_start(error)
        with contextlib.suppress(self._ray.exceptions.RayError):
            self._ray.kill(worker.actor)  # it may run on, if only the connection broke
        if worker.starting is None:
            self._alive_at = time.monotonic()
        self.workers.remove(worker)
        deaths = worker.deaths + (not self._is_lost(worker, error))
        if deaths < TRIES:
            self.workers.append(self._started(deaths))
        elif not self.workers:
            reason = last_words(error)
            raise OptionError(
                f"each worker died {TRIES} times without an answer: {reason}", where="--quba-executor=ray"
            )

    def _is_lost(self, worker: WorkerState, error: Exception) -> bool:
        """Return True if a worker was lost together with its machine."""
        gone = {node["NodeID"] for node in self._ray.nodes() if not node["Alive"]}
        return getattr(error, "preempted", False) or worker.machine.node in gone

    def _check_alive(self) -> None:
        """Check that a worker runs, or did lately.

        Raises:
            OptionError: none did for `WAIT_MINUTES`.
        """
        if self._running:
            self._alive_at = time.monotonic()
        if time.monotonic() - self._alive_at > 60 * WAIT_MINUTES:
            total = {name: f"{count:g}" for name, count in self._ray.cluster_resources().items()}
            has = f"{total.get('CPU', 0)} CPU and {total.get('GPU', 0)} GPU"
            raise OptionError(
                f"no worker has run for {WAIT_MINUTES:g} minutes. Each needs {self._resources}; the "
                f"cluster has {has} in all. Add machines or free some, and start the run again.",
                where="--quba-executor=ray",
            )


class RayExecutor:
    """Predicts shards of one model with the workers of a cluster.

    Args:
        pool: the workers, of all models of a run.
        spec: the model and its images.
    """

    def __init__(self, pool: RayPool, spec: WorkerSpec) -> None:
        self._pool = pool
        self._spec = spec
        self._sent: Any = None
        self._failure: OptionError | None = None

    @property
    def name(self) -> str:
        """Words for reports, such as `ray, 8 workers`."""
        count = len(self._pool.workers)
        return f"ray, {counted(count, 'worker')}" if count else "ray"

    def choose_compute(self, view: View) -> ComputeSettings:
        """Return the settings of the passes over a view that a worker chooses."""
        settings: ComputeSettings
        [(_, settings)] = self._answers("choose_compute", [view])
        return settings

    def run(self, requests: Iterable[ShardRequest]) -> Generator[ShardResult, None, None]:
        """Yield results as workers predict shards; each worker has two.

        Raises:
            OptionError: the cluster cannot be used, or no worker runs.
            ModelError: the model is another one there, or a shard ends one worker after another.
            QubaError: a shard cannot be predicted.
        """
        requests = iter(requests)
        first = list(islice(requests, 1))
        if first:  # without a missing shard no cluster is started
            with contextlib.closing(self._answers("predict", chain(first, requests))) as answers:
                for request, result in answers:
                    yield replace(result, request=request)

    def changed(self) -> list[ShardKey]:
        """Return the shards since the last call whose workers have a changed model now.

        Workers that are gone compared the model with its state after each shard.
        """
        return [key for keys in self._pool.ask_all("changed", self._spec.key) for key in keys]

    def _answers(self, method: str, arguments: Iterable[Any]) -> RayAnswers:
        """Yield arguments with the answers of workers; a failure of the pool remains one.

        Raises:
            QubaError: a worker answered with an error, or see `RayPool.answers`.
        """
        if self._failure is not None:
            raise self._failure
        try:
            if self._sent is None:
                self._sent = self._pool.put(self._spec)
            with contextlib.closing(self._pool.answers(method, self._sent, iter(arguments))) as answers:
                for argument, answer in answers:
                    if isinstance(answer, QubaError):
                        raise answer
                    yield argument, answer
        except OptionError as error:
            self._failure = error
            raise
