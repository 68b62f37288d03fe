"""The process of a job: takes tasks from a folder and writes the answers there."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
import traceback
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from quba_check.errors import ModelError, QubaError
from quba_check.executors.remote_worker import RemoteWorker
from quba_check.executors.scratch import scratch_folder
from quba_check.executors.slurm.heartbeat import Heartbeat, Pulse
from quba_check.executors.slurm.queue_folder import Answer, CheckModel, ChooseCompute, QueueFolder, Task

if TYPE_CHECKING:
    from submitit.helpers import DelayedSubmission

DRIVER_SILENCE = 300.0
"""Seconds without a heartbeat of the driver after which a worker ends, since the driver was killed."""
SHORTEST_WAIT, LONGEST_WAIT, LONGEST_IDLE = 0.002, 0.05, 0.5
"""Seconds between two listings of the tasks, with and without a task in work."""


@dataclass
class SlurmWorker:
    """The function of a job, which submitit sends, calls, and calls again after a preemption.

    Attributes:
        folder: folder of the run.
        job: number of the job.
        cores: cores of this worker.
        import_path: the driver's `sys.path`.
        version: the driver's version of this package.
    """

    folder: Path
    job: int
    cores: int
    import_path: tuple[str, ...]
    version: str
    _service: Service | None = field(init=False, repr=False, compare=False, default=None)

    def __call__(self) -> None:
        """Serve until the driver ends; then end the process at once.

        Raises:
            ModelError: this is another version of the package, which may not understand the tasks.
        """
        if (here := version("quba-check")) != self.version:
            raise ModelError(
                f"worker on {socket.gethostname()}: quba-check is {here}, but {self.version} where the run "
                f"was started. Install quba-check {self.version} there."
            )
        sys.path.extend(path for path in self.import_path if path not in sys.path)
        code: Any = 0
        try:
            self._service = Service(QueueFolder(self.folder), self.job, self.cores)
            self._service.limit_threads()
            signal.signal(signal.SIGTERM, self._leave)
            self._service.run()
        except SystemExit as end:  # of submitit, after `checkpoint`
            code = end.code
        sys.stdout.flush()
        sys.stderr.flush()
        # The threads of an order that nobody waits for any more would end the interpreter by a crash.
        os._exit(code & 0xFF if isinstance(code, int) else 1)

    def checkpoint(self) -> DelayedSubmission:
        """Return the job that submitit queues again.

        It is called when SLURM takes the machine back or the job's time is over.
        """
        from submitit.helpers import DelayedSubmission

        self._leave()
        return DelayedSubmission(replace(self))

    def _leave(self, number: int = 0, frame: FrameType | None = None) -> None:  # noqa: ARG002  of a signal
        """Tell the driver to give the tasks to other workers.

        SLURM sends SIGTERM some time before it ends the process. A job that ended by itself in between would
        not be queued again.
        """
        if self._service is not None:
            self._service.leave()


class Service:
    """Answers the tasks of a driver with one model at a time.

    Args:
        folder: folder of the run.
        job: number of the job.
        cores: cores of this worker.

    Attributes:
        name: name of the worker.
    """

    def __init__(self, folder: QueueFolder, job: int, cores: int) -> None:
        self.name = folder.add_worker(job)
        self._cores = cores
        self._folder = folder
        self._heartbeat = Heartbeat(folder.heartbeat(self.name))
        self._driver = Pulse(folder.driver)
        self._recipe = ""
        self._model: RemoteWorker | None = None
        self._changed: dict[str, bool] = {}
        self._in_work = 0
        self._counting = threading.Lock()
        self._loading = threading.Lock()

    def limit_threads(self) -> None:
        """Limit the threads of torch, which others on this machine need too."""
        import torch

        torch.set_num_threads(min(torch.get_num_threads(), self._cores))

    def leave(self) -> None:
        """Tell the driver that this worker is about to end."""
        self._folder.leave(self.name)

    def run(self) -> None:
        """Answer tasks until the driver ends or is silent for too long."""
        wait, looked = SHORTEST_WAIT, 0.0
        while True:
            tasks = self._folder.receive(self.name)
            for number, task in tasks.items():
                self._count(1)
                # By threads, so that the next order is read ahead, and signals are noticed meanwhile.
                threading.Thread(target=self._answer, args=(number, task), daemon=True).start()
            if (now := time.monotonic()) - looked > LONGEST_IDLE:
                looked = now
                if self._folder.is_stopped() or self._driver.silence > DRIVER_SILENCE:
                    break
            wait = SHORTEST_WAIT if tasks else min(2 * wait, LONGEST_WAIT if self._in_work else LONGEST_IDLE)
            time.sleep(wait)
        self._heartbeat.close()

    def _answer(self, number: int, task: Task) -> None:
        """Write the answer to a task."""
        try:
            answer = Answer(self._value(task))
        except QubaError as error:
            answer = Answer(error=error)
        except BaseException as error:  # noqa: BLE001  the driver raises it
            error.add_note(traceback.format_exc())
            answer = Answer(error=error)
        self._folder.answer(self.name, number, answer)
        self._count(-1)

    def _value(self, task: Task) -> Any:
        """Return the value of a task.

        Raises:
            QubaError: the model or the images cannot be used.
        """
        if isinstance(task, CheckModel):
            return self._is_changed(task.recipe)
        model = self._loaded(task.recipe)
        if isinstance(task, ChooseCompute):
            return model.choose_compute()
        predicted = model.predict(task.order)
        return predicted.files, predicted.outputs, predicted.passes

    def _loaded(self, recipe: str) -> RemoteWorker:
        """Return the model of a recipe; it replaces the one that is loaded."""
        with self._loading:
            if self._model is None or recipe != self._recipe:
                if self._model is not None:
                    self._changed[self._recipe] = self._model.is_changed()
                    self._model.close()
                self._model = None  # memory for two is not there
                content = self._folder.read_recipe(recipe)
                self._model, self._recipe = RemoteWorker(content, scratch_folder(), self._cores), recipe
            return self._model

    def _is_changed(self, recipe: str) -> bool:
        """Return True if the model of a recipe changed since the last check."""
        with self._loading:
            if self._model is not None and recipe == self._recipe:
                return self._model.is_changed()
            return self._changed.pop(recipe, False)

    def _count(self, tasks: int) -> None:
        with self._counting:
            self._in_work += tasks
