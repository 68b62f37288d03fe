"""The folder through which a driver and its workers exchange tasks and answers."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import shutil
import socket
import tempfile
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quba_check.engine.order import Order
from quba_check.executors.recipe import Recipe
from quba_check.storage.atomic import write_atomically

KEPT_SECONDS = 7 * 24 * 3600.0
"""Age of a driver's last heartbeat, in seconds, from which its folder is removed with its logs."""


@dataclass(frozen=True, slots=True)
class PredictOrder:
    """A task: predict an order with the model of a recipe, given by its key."""

    recipe: str
    order: Order

    def __str__(self) -> str:
        return str(self.order)


@dataclass(frozen=True, slots=True)
class ChooseCompute:
    """A task: choose the settings of passes on the device that makes them."""

    recipe: str

    def __str__(self) -> str:
        return "the choice of compute settings"


@dataclass(frozen=True, slots=True)
class CheckModel:
    """A task: compare the parameters of the model with those before its first order."""

    recipe: str

    def __str__(self) -> str:
        return "the check of the model's parameters"


Task = PredictOrder | ChooseCompute | CheckModel


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a task: a value or an error."""

    value: Any = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class QueueFolder:
    """A folder that the machines of a driver and its workers share.

    Every file is written under a hidden name first, so that nobody reads a part of it. Nothing is locked: a
    task is given to one worker, and an answer has the number of its task and the name of the worker.

    Attributes:
        root: the folder.
    """

    root: Path

    @classmethod
    def create(cls, parent: Path) -> QueueFolder:
        """Create the folder of a run; only this user can read or write it.

        Folders of drivers that were killed are removed after a while.

        Raises:
            OSError: it cannot be created.
        """
        parent.mkdir(parents=True, exist_ok=True)
        folder = cls(Path(tempfile.mkdtemp(prefix=time.strftime("%Y%m%d-%H%M%S-"), dir=parent)))
        for path in (folder.workers, folder.jobs, folder.root / "recipes", folder.root / "answers"):
            path.mkdir()
        folder.driver.touch()
        now = folder.root.stat().st_mtime  # by the clock of the file server
        for path in parent.iterdir():
            with contextlib.suppress(OSError):
                if now - (path / "driver").stat().st_mtime > KEPT_SECONDS:
                    shutil.rmtree(path, ignore_errors=True)
        return folder

    def remove(self) -> None:
        """Remove the folder; a later run removes what a worker writes meanwhile."""
        shutil.rmtree(self.root, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.driver.touch()

    @property
    def workers(self) -> Path:
        """Folder with a folder for each worker that started."""
        return self.root / "workers"

    @property
    def jobs(self) -> Path:
        """Folder of the jobs' scripts and logs."""
        return self.root / "jobs"

    @property
    def driver(self) -> Path:
        """File of the driver's heartbeat."""
        return self.root / "driver"

    def heartbeat(self, worker: str) -> Path:
        """Return the file of a worker's heartbeat."""
        return self.workers / worker / "alive"

    def stop(self) -> None:
        """End all workers, also those that start later."""
        with contextlib.suppress(OSError):
            (self.root / "stop").touch()

    def is_stopped(self) -> bool:
        """Return True if the driver ended its workers or removed the folder."""
        try:
            return "stop" in _names(self.root)
        except FileNotFoundError:
            return True

    def add_worker(self, job: int) -> str:
        """Create the folder of a worker that starts in this process; return its name.

        Args:
            job: number of its job.
        """
        name = f"{job:04d}-{uuid.uuid4().hex[:8]}"
        hidden = self.workers / f".{name}"
        (hidden / "tasks").mkdir(parents=True)
        about = {"job": job, "host": socket.gethostname(), "pid": os.getpid()}
        (hidden / "about.json").write_text(json.dumps(about), encoding="utf-8")
        hidden.rename(self.workers / name)
        return name

    def worker_names(self) -> list[str]:
        """Return the names of the workers that started, in the order of their start."""
        names = _names(self.workers)
        return sorted(names, key=lambda name: (self.workers / name / "about.json").stat().st_mtime_ns)

    def about(self, worker: str) -> dict[str, Any]:
        """Return job number, host and process of a worker."""
        about: dict[str, Any] = json.loads((self.workers / worker / "about.json").read_text(encoding="utf-8"))
        return about

    def processes(self) -> list[int]:
        """Return the processes of all workers that started on this machine."""
        workers = map(self.about, self.worker_names())
        return [int(about["pid"]) for about in workers if about["host"] == socket.gethostname()]

    def leave(self, worker: str) -> None:
        """Note that a worker is about to end, and takes no further task."""
        with contextlib.suppress(OSError):
            (self.workers / worker / "left").touch()

    def has_left(self, worker: str) -> bool:
        """Return True if a worker is about to end."""
        return "left" in _names(self.workers / worker)

    def write_recipe(self, recipe: Recipe) -> None:
        """Write a recipe under its key, once."""
        path = self.root / "recipes" / recipe.key
        if not path.exists():
            write_atomically(path, pickle.dumps(recipe))

    def read_recipe(self, key: str) -> Recipe:
        """Return the recipe of a key."""
        recipe: Recipe = _unpickled(self.root / "recipes" / key)
        return recipe

    def send(self, worker: str, number: int, task: Task) -> None:
        """Give a task to a worker."""
        write_atomically(self._task(worker, number), pickle.dumps(task))

    def withdraw(self, worker: str, number: int) -> bool:
        """Take back a task; return False if the worker has begun it."""
        try:
            self._task(worker, number).unlink()
        except FileNotFoundError:
            return False
        return True

    def receive(self, worker: str) -> Mapping[int, Task]:
        """Return the new tasks of a worker by number, the oldest first."""
        tasks: dict[int, Task] = {}
        for name in sorted(_names(self.workers / worker / "tasks")):
            path = self.workers / worker / "tasks" / name
            with contextlib.suppress(FileNotFoundError):  # withdrawn
                tasks[int(name)] = _unpickled(path)
                path.unlink()
        return tasks

    def answer(self, worker: str, number: int, answer: Answer) -> None:
        """Write a worker's answer to a task."""
        try:
            content = pickle.dumps(answer)
        except Exception:  # noqa: BLE001  an error of another library that cannot be sent
            content = pickle.dumps(
                Answer(error=RuntimeError(f"{type(answer.error).__name__}: {answer.error}"))
            )
        with contextlib.suppress(FileNotFoundError):  # the driver ended
            write_atomically(self.root / "answers" / f"{number:08d}.{worker}", content)

    def answers(self) -> list[tuple[int, str, Answer]]:
        """Return the new answers: number of the task, name of the worker, answer."""
        answers = []
        for name in sorted(_names(self.root / "answers")):
            path = self.root / "answers" / name
            number, _, worker = name.partition(".")
            answers.append((int(number), worker, _unpickled(path)))
            path.unlink()
        return answers

    def _task(self, worker: str, number: int) -> Path:
        return self.workers / worker / "tasks" / f"{number:08d}"


def _names(folder: Path) -> list[str]:
    """Return the names of the files in a folder, without hidden ones."""
    # A network file system lists a folder from a cache for up to a minute, unless its attributes changed.
    folder.chmod(folder.stat().st_mode)
    with os.scandir(folder) as files:
        return [file.name for file in files if not file.name.startswith(".")]


def _unpickled(path: Path) -> Any:
    """Return the content of a file that this user wrote, see `QueueFolder.create`."""
    return pickle.loads(path.read_bytes())  # noqa: S301
