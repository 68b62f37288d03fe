"""Workers on a cluster of Ray: started, loaded with models, replaced when they die."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from typing import Any, NoReturn, cast

from quba_check.engine.order import Predicted
from quba_check.errors import ModelError, OptionError, QubaError
from quba_check.executors.choice import ExecutorChoice
from quba_check.executors.ray.cluster import WorkerResources, connect, resources
from quba_check.executors.ray.slot import Slot
from quba_check.executors.ray.worker import RayWorker, Surroundings
from quba_check.executors.recipe import Recipe
from quba_check.executors.settings import RaySettings
from quba_check.models.compute import ComputeSettings
from quba_check.storage.shard import ShardKey

TRIES = 3
"""Workers that an order, or the loading of a model, may end before it is given up."""
MOST_LOSSES = 20
"""Workers that an order may lose together with their machines."""
CALLS_AT_ONCE = 4
"""Calls that a worker serves at once: two orders, and questions about itself."""
TICK_SECONDS = 2.0
"""Longest wait for an answer, after which the time without workers is checked."""


class RayWorkers:
    """Workers on a cluster, none of which is started before the first recipe.

    Args:
        choice: address of the cluster and number of workers.
        settings: resources and environment of workers.

    Attributes:
        slots: the workers.
    """

    def __init__(self, choice: ExecutorChoice, settings: RaySettings) -> None:
        self.slots: list[Slot] = []
        self._choice = choice
        self._settings = settings
        self._ray: Any = None
        self._is_ours = False
        self._kind: Any = None
        self._surroundings: Surroundings | None = None
        self._resources = WorkerResources(1, 0, 1, 1)
        self._spec = self._key = ""
        self._sent: dict[str, Any] = {}
        self._changed: defaultdict[str, list[ShardKey]] = defaultdict(list)
        self._failures: dict[str, QubaError] = {}
        self._alive_at = 0.0

    def prepare(self, recipe: Recipe, key: str) -> None:
        """Start the workers if necessary, and name the model that they load next.

        Raises:
            OptionError: the cluster cannot be used.
            QubaError: workers failed to load this model before.
        """
        if key in self._failures:
            raise self._failures[key]
        self._spec, self._key = recipe.spec, key
        if self._ray is None:
            try:
                self._start(use_gpus=recipe.request.device != "cpu")
            except QubaError as error:
                self._fail(error)
        if not self.slots:
            self.slots = [self._started() for _ in range(self._resources.count)]
        if key not in self._sent:
            self._sent[key] = self._ray.put(recipe)

    def loaded(self) -> list[Slot]:
        """Return the workers with the model."""
        return [slot for slot in self.slots if slot.is_loaded(self._key)]

    def receive(self) -> None:
        """Wait for answers of workers, and pass the results of orders to their streams.

        Raises:
            QubaError: no worker runs, or none can load the model.
        """
        for slot in self.slots:
            self._load(slot)
        answers = [answer for slot in self.slots for answer in slot.answers]
        self._ray.wait(answers, timeout=TICK_SECONDS)
        ready = set(self._ray.wait(answers, num_returns=len(answers), timeout=0)[0])
        for slot in list(self.slots):
            try:
                self._advance(slot, ready)
                self._collect(slot, ready)
            except self._ray.exceptions.RayTaskError:
                raise  # a bug, with the traceback of the worker
            except self._ray.exceptions.RayError as error:
                self._replace(slot, error)
        self._check_alive()

    def choose_compute(self) -> ComputeSettings:
        """Return the settings of passes that a worker chose.

        Raises:
            QubaError: no worker can choose them.
        """
        reason = ""
        for _ in range(TRIES):
            while not self.loaded():
                self.receive()
            slot = self.loaded()[0]
            try:
                settings = self._ray.get(slot.actor.choose_compute.remote())
            except self._ray.exceptions.RayTaskError:
                raise
            except self._ray.exceptions.RayError as error:
                reason = self._replace(slot, error)
            else:
                if isinstance(settings, QubaError):
                    raise settings
                return cast("ComputeSettings", settings)
        raise ModelError(f"{self._spec}: {TRIES} workers died while they chose the precision: {reason}")

    def changed(self, key: str) -> list[ShardKey]:
        """Return the shards since the last call whose workers have a changed model now.

        Workers that are gone cannot be asked. They compared the model with its state after each shard.
        """
        asked = [slot for slot in self.slots if slot.key == key and slot.unverified]
        answers = [(slot, slot.actor.is_changed.remote()) for slot in asked]
        changed = self._changed.pop(key, [])
        for slot, answer in answers:
            keys, slot.unverified = slot.unverified, []
            with contextlib.suppress(self._ray.exceptions.RayError):
                changed += keys if self._ray.get(answer) else []
        return changed

    def close(self) -> None:
        """End the workers, and the cluster if it was started for this run."""
        slots, self.slots = self.slots, []
        if self._ray is None:
            return
        for slot in slots:
            self._ray.kill(slot.actor)
        if self._is_ours:
            self._ray.shutdown()
        self._ray, self._sent = None, {}

    def _start(self, *, use_gpus: bool) -> None:
        """Connect to the cluster and start the workers.

        Raises:
            OptionError: the cluster cannot be used.
        """
        environment = self._settings.runtime_env
        self._ray, self._is_ours = connect(self._choice.address, environment)
        wanted = resources(self._ray.nodes(), self._settings, self._choice.workers, use_gpus=use_gpus)
        options: dict[str, Any] = {
            "num_cpus": wanted.cpus,
            "num_gpus": wanted.gpus,
            "max_restarts": 0,
            "max_task_retries": 0,
            "max_concurrency": CALLS_AT_ONCE,
            "scheduling_strategy": "SPREAD",
        }
        if environment and not self._is_ours:
            options["runtime_env"] = environment
        self._kind = self._ray.remote(**options)(RayWorker)
        self._resources = wanted
        self._surroundings = Surroundings.of_this_process(has_working_dir="working_dir" in environment)
        self._alive_at = time.monotonic()

    def _started(self, failed_starts: int = 0) -> Slot:
        """Start a worker."""
        actor = self._kind.remote(self._surroundings)
        return Slot(actor, actor.machine.remote(), failed_starts)

    def _load(self, slot: Slot) -> None:
        """Have a worker load the model, unless it has it, or is at something else."""
        is_busy = slot.machine is None or slot.loading is not None or slot.attempts or slot.dropped
        if is_busy or slot.key == self._key:
            return
        slot.replaced = slot.key, slot.unverified
        slot.key, slot.unverified = self._key, []
        slot.loading = slot.actor.load.remote(self._sent[self._key], self._resources.cores)

    def _advance(self, slot: Slot, ready: Collection[Any]) -> None:
        """Take the answers about the machine and the model of a worker.

        Raises:
            QubaError: the model cannot be loaded there, or is another one.
        """
        if slot.starting in ready:
            machine = self._ray.get(slot.starting)
            slot.starting = None
            if isinstance(machine, QubaError):
                self._fail(machine)
            slot.machine = machine
        elif slot.loading in ready:
            changed = self._ray.get(slot.loading)
            slot.loading = None
            if isinstance(changed, QubaError):
                self._failures[slot.key] = changed
                if slot.key == self._key:
                    raise changed
            elif changed:
                key, shards = slot.replaced
                self._changed[key] += shards
            slot.failed_starts = 0

    def _collect(self, slot: Slot, ready: Collection[Any]) -> None:
        """Pass the results of a worker to their streams."""
        for answer in [answer for answer in slot.attempts if answer in ready]:
            result: Predicted | QubaError = self._ray.get(answer)
            attempt = slot.attempts.pop(answer)
            if not isinstance(result, QubaError):
                slot.unverified += attempt.order.keys.values()
                result = replace(result, order=attempt.order)
            attempt.stream.results.append(result)
        for answer in [answer for answer in slot.dropped if answer in ready]:
            self._ray.get(answer)  # raises if the worker died
            slot.dropped.remove(answer)

    def _replace(self, slot: Slot, error: Exception) -> str:
        """Replace a worker that died, and have its orders repeated.

        Returns:
            The reason for its death.

        Raises:
            OptionError: workers cannot start.
            ModelError: the model ends one worker after another.
        """
        reason, is_lost = last_words(error), self._is_lost(slot, error)
        self._check_environment(error, reason)
        with contextlib.suppress(self._ray.exceptions.RayError):
            self._ray.kill(slot.actor)  # it may run on, if only the connection broke
        self.slots.remove(slot)
        if slot.machine is not None:
            self._alive_at = time.monotonic()
        had_loaded = slot.machine is not None and slot.loading is None
        failed_starts = slot.failed_starts + (not is_lost and not had_loaded)
        if failed_starts < TRIES:
            self.slots.append(self._started(failed_starts))
        elif not self.slots:
            self._fail(ModelError(f"{self._spec}: {TRIES} workers died while they loaded it: {reason}"))
        for attempt in slot.attempts.values():
            attempt.strikes += not is_lost
            attempt.losses += is_lost
            attempt.nodes.update([slot.machine.node] if slot.machine else [])
            if attempt.strikes < TRIES and attempt.losses < MOST_LOSSES:
                attempt.stream.repeated.append(attempt)
                continue
            count = max(attempt.strikes, attempt.losses)
            error = ModelError(
                f"{attempt.order}: {count} workers died while they predicted it, the last on "
                f"{slot.machine}: {reason} If memory is the reason, set a smaller --quba-batch-size."
            )
            attempt.stream.results.append(error)
        return reason

    def _is_lost(self, slot: Slot, error: Exception) -> bool:
        """Return True if a worker was lost together with its machine or its connection."""
        if not isinstance(error, self._ray.exceptions.ActorDiedError) or error.preempted:
            return not isinstance(error, self._ray.exceptions.OutOfMemoryError)
        alive = {node["NodeID"] for node in self._ray.nodes() if node["Alive"]}
        return slot.machine is not None and slot.machine.node not in alive

    def _check_environment(self, error: Exception, reason: str) -> None:
        """Check that a worker did not die of its environment.

        Raises:
            OptionError: it did.
        """
        if isinstance(error, self._ray.exceptions.RuntimeEnvSetupError):
            self._fail(
                OptionError(
                    f"--quba-executor-settings: ray.runtime_env cannot be set up on a machine: {reason}"
                )
            )
        if getattr(error, "actor_init_failed", False):
            self._fail(
                OptionError(
                    f"--quba-executor=ray: a worker cannot start: {reason} Install quba-check on each "
                    "machine, or name it in ray.runtime_env of --quba-executor-settings."
                )
            )

    def _check_alive(self) -> None:
        """Check that a worker runs, or did lately.

        Raises:
            OptionError: none did for the time of the settings.
        """
        if any(slot.machine is not None for slot in self.slots):
            self._alive_at = time.monotonic()
        minutes = self._settings.wait_minutes
        if time.monotonic() - self._alive_at > 60 * minutes:
            total = {name: f"{count:g}" for name, count in self._ray.cluster_resources().items()}
            has = f"{total.get('CPU', 0)} CPU and {total.get('GPU', 0)} GPU"
            self._fail(
                OptionError(
                    f"--quba-executor=ray: no worker has run for {minutes:g} minutes. Each needs "
                    f"{self._resources}; the cluster has {has} in all. Add machines or free some, or set "
                    "ray.wait_minutes in --quba-executor-settings."
                )
            )

    def _fail(self, error: QubaError) -> NoReturn:
        """Raise an error, now and for each later request for this model."""
        self._failures[self._key] = error
        raise error


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
