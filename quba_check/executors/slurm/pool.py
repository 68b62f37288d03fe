"""The executor `slurm`: workers are jobs of SLURM, which take orders through a shared folder."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import Any

from quba_check.engine.order import Order, Predicted
from quba_check.errors import OptionError, StoreError
from quba_check.executors.choice import ExecutorChoice
from quba_check.executors.recipe import Recipe
from quba_check.executors.settings import SlurmSettings
from quba_check.executors.slurm.dispatcher import Completed, Dispatcher
from quba_check.executors.slurm.heartbeat import Heartbeat
from quba_check.executors.slurm.jobs import SlurmJobs, check_installed
from quba_check.executors.slurm.queue_folder import CheckModel, ChooseCompute, PredictOrder, QueueFolder
from quba_check.executors.slurm.worker import SlurmWorker
from quba_check.models.compute import ComputeSettings
from quba_check.storage.shard import ShardKey

DEFAULT_WORKERS = 4
"""Jobs of SLURM, unless `--quba-executor-workers` states another number."""
_KILLED_SECONDS = 30.0
"""Longest time that a process takes to end after its worker was killed."""
_ENDING = (signal.SIGTERM, signal.SIGHUP)
"""Signals that end the driver; its jobs are cancelled before."""


class SlurmPool:
    """Jobs of SLURM, or processes of this machine in their place.

    They start with the first task.

    Args:
        choice: number of workers, and address `local` for processes of this machine.
        settings: resources of a job.
        folder: folder of the queues of all runs, which the machines share.
        announce: called with news of the workers.

    Raises:
        OptionError: submitit or SLURM is missing.
    """

    def __init__(
        self,
        choice: ExecutorChoice,
        settings: SlurmSettings,
        folder: Path,
        announce: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.is_local = choice.address == "local"
        check_installed(is_local=self.is_local)
        self._settings = settings
        self._parent = folder if settings.folder is None else Path(settings.folder).expanduser().absolute()
        self.count = choice.workers or (_local_workers(settings) if self.is_local else DEFAULT_WORKERS)
        self._announce = announce
        self._run: _Run | None = None

    def executor(self, recipe: Recipe) -> SlurmExecutor:
        """Return the executor that predicts shards of a recipe's model.

        Raises:
            OptionError: its device is one of several GPUs of a machine.
        """
        device = recipe.request.device
        if device.startswith("cuda:"):
            raise OptionError(
                f"--quba-device: got '{device}' together with --quba-executor=slurm, whose workers have GPUs "
                "of their own. Allowed: auto, cuda, cpu."
            )
        return SlurmExecutor(self, recipe)

    def dispatcher(self, recipe: Recipe) -> Dispatcher:
        """Return the dispatcher of the jobs, which are started if they do not run.

        Args:
            recipe: a model for the jobs.

        Raises:
            OptionError: SLURM refuses the jobs.
            StoreError: the folder cannot be written.
        """
        if self._run is None:
            self._run = _Run(self._settings, self._parent, self.count, self._announce, is_local=self.is_local)
        self._run.folder.write_recipe(recipe)
        return self._run.dispatcher

    def close(self) -> None:
        """End the jobs."""
        run, self._run = self._run, None
        if run is not None:
            run.close()


class _Run:
    """The folder and the jobs of a run."""

    def __init__(
        self,
        settings: SlurmSettings,
        parent: Path,
        count: int,
        announce: Callable[[str], None],
        *,
        is_local: bool,
    ) -> None:
        try:
            self.folder = QueueFolder.create(parent.absolute())
        except OSError as error:
            raise StoreError(
                f"--quba-executor: the folder {parent} of the workers' orders cannot be written "
                f"({error.strerror}). Name another one by the key folder in --quba-executor-settings."
            ) from None
        self._settings = settings
        self._count = count
        self._heartbeat = Heartbeat(self.folder.driver)
        self._jobs = SlurmJobs(settings, self.folder.jobs, is_local=is_local)
        self._cores = max(1, _cores() // count) if is_local else settings.cpus_per_worker
        self.dispatcher = Dispatcher(self.folder, self._jobs, self._restart, announce)
        self._handlers = self._catch_signals()
        atexit.register(self.close)
        try:
            self._jobs.start([self._worker(job) for job in range(count)])
            announce(f"slurm: {_workers(count)} requested")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the jobs and remove the folder, unless their logs are of interest."""
        atexit.unregister(self.close)
        self.folder.stop()
        if not self._jobs.close():
            for process in self.folder.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            self._jobs.close(_KILLED_SECONDS)
        self._heartbeat.close()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        if not self.dispatcher.has_failed:
            self.folder.remove()

    def _worker(self, job: int) -> SlurmWorker:
        import_path = tuple(filter(None, sys.path))
        return SlurmWorker(self.folder.root, job, self._cores, import_path, version("quba-check"))

    def _restart(self, job: int) -> None:
        self._jobs.start([self._worker(job)])

    def _catch_signals(self) -> dict[signal.Signals, Any]:
        """Cancel the jobs before a signal ends this process.

        Returns:
            The handlers that are replaced.
        """
        if threading.current_thread() is not threading.main_thread():
            return {}
        unhandled = [number for number in _ENDING if signal.getsignal(number) is signal.SIG_DFL]
        return {number: signal.signal(number, self._end) for number in unhandled}

    def _end(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  of a signal
        self.close()
        os.kill(os.getpid(), number)


class SlurmExecutor:
    """Gives the orders of one model to the jobs of a pool.

    Args:
        pool: the jobs.
        recipe: the model and its images.
    """

    def __init__(self, pool: SlurmPool, recipe: Recipe) -> None:
        self._pool = pool
        self._recipe = recipe
        self._unchecked: dict[str, list[ShardKey]] = {}
        self.name = f"slurm{':local' if pool.is_local else ''}, {_workers(pool.count)}"

    def choose_compute(self) -> ComputeSettings:
        """Return the settings of the passes on the device of a worker.

        Raises:
            QubaError: the model cannot be used there, or no worker can be started.
        """
        dispatcher = self._pool.dispatcher(self._recipe)
        number = dispatcher.submit(ChooseCompute(self._recipe.key))
        try:
            completed = dispatcher.answer(number)
        finally:
            dispatcher.drop([number])
        settings: ComputeSettings = _value(completed)
        return settings

    def run(self, orders: Iterable[Order]) -> Generator[Predicted, None, None]:
        """Yield orders as they are predicted; they are pulled as workers have room.

        Raises:
            QubaError: an order cannot be predicted, or no worker can be started.
        """
        source = iter(orders)
        if (first := next(source, None)) is None:  # no job is submitted if all predictions are in the store
            return
        source = chain([first], source)
        dispatcher = self._pool.dispatcher(self._recipe)
        given: dict[int, Order] = {}
        is_over = False
        try:
            while True:
                while not is_over and dispatcher.has_room():
                    if (order := next(source, None)) is None:
                        is_over = True
                    else:
                        given[dispatcher.submit(PredictOrder(self._recipe.key, order))] = order
                if is_over and not given:
                    return
                if completed := dispatcher.wait(given, for_room=not is_over):
                    yield self._predicted(given.pop(completed.number), completed)
        finally:
            dispatcher.drop(given)

    def changed(self) -> list[ShardKey]:
        """Return the shards since the last call of workers whose model changed.

        Shards of a worker that ended meanwhile are not among them, as after a run that was killed.
        """
        unchecked, self._unchecked = self._unchecked, {}
        if not unchecked:
            return []
        dispatcher = self._pool.dispatcher(self._recipe)
        live = set(dispatcher.live_workers)
        checks = {
            dispatcher.submit_to(worker, CheckModel(self._recipe.key)): keys
            for worker, keys in unchecked.items()
            if worker in live
        }
        return [key for check, keys in checks.items() if _value(dispatcher.answer(check)) for key in keys]

    def _predicted(self, order: Order, completed: Completed) -> Predicted:
        files, outputs, passes = _value(completed)
        self._unchecked.setdefault(completed.worker, []).extend(order.keys[view] for view in files)
        return Predicted(order, files, outputs, passes)


def _value(completed: Completed) -> Any:
    """Return the value of an answer.

    Raises:
        QubaError: the worker could not give one.
    """
    if completed.answer.error is not None:
        raise completed.answer.error
    return completed.answer.value


def _cores() -> int:
    return os.cpu_count() or 1


def _local_workers(settings: SlurmSettings) -> int:
    """Return the number of workers that this machine's cores or GPUs are enough for."""
    if not settings.gpus_per_worker:
        return max(1, _cores() // settings.cpus_per_worker)
    import torch

    return max(1, torch.cuda.device_count() // settings.gpus_per_worker)


def _workers(count: int) -> str:
    return f"{count} worker{'s' * (count != 1)}"
