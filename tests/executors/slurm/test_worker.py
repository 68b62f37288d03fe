"""The process of a job, played in threads of this one, with a model that a test controls."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from quba_check.core.view import CLEAN
from quba_check.engine.order import Order, Predicted
from quba_check.errors import ModelError
from quba_check.executors.slurm import worker as slurm_worker
from quba_check.executors.slurm.heartbeat import Heartbeat
from quba_check.executors.slurm.queue_folder import (
    Answer,
    CheckModel,
    ChooseCompute,
    PredictOrder,
    QueueFolder,
    Task,
)
from quba_check.executors.slurm.worker import Service, SlurmWorker
from quba_check.models.compute import PLAIN

VERSION = version("quba-check")
ORDER = Order((CLEAN,), 0, {}, (), (), PLAIN, None)


class Model:
    """Answers for a `RemoteWorker`."""

    loaded: list[str] = []  # noqa: RUF012
    cores: list[int] = []  # noqa: RUF012
    opened = 0
    changes = False
    failure: BaseException | None = None

    def __init__(self, recipe: str, folder: Path, cores: int) -> None:
        assert not Model.opened, "two models in memory"
        if recipe == "broken":
            raise ModelError("broken cannot be loaded")
        Model.loaded.append(recipe)
        Model.cores.append(cores)
        Model.opened += 1

    def predict(self, order: Order) -> Predicted:
        if self.failure is not None:
            raise self.failure
        return Predicted(order, {CLEAN: b"file"}, "logits", 3)

    def choose_compute(self) -> str:
        return "settings"

    def is_changed(self) -> bool:
        return self.changes

    def close(self) -> None:
        Model.opened -= 1


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> QueueFolder:
    monkeypatch.setattr(slurm_worker, "RemoteWorker", Model)
    monkeypatch.setattr(slurm_worker, "scratch_folder", lambda: tmp_path)
    monkeypatch.setattr(Model, "loaded", [])
    monkeypatch.setattr(Model, "cores", [])
    monkeypatch.setattr(Model, "opened", 0)
    monkeypatch.setattr(QueueFolder, "read_recipe", lambda _, key: key)
    return QueueFolder.create(tmp_path / "slurm")


@pytest.fixture
def service(folder: QueueFolder) -> Iterator[Service]:
    heartbeat = Heartbeat(folder.driver)
    service = Service(folder, 0, 6)
    thread = threading.Thread(target=service.run)
    thread.start()
    yield service
    folder.stop()
    thread.join()
    heartbeat.close()


def answer(folder: QueueFolder, service: Service, number: int, task: Task) -> Answer:
    """Send a task, and wait for its answer."""
    folder.send(service.name, number, task)
    while not (answers := folder.answers()):
        time.sleep(0.005)
    ((answered, name, content),) = answers
    assert (answered, name) == (number, service.name)
    return content


def test_tasks_are_answered(folder: QueueFolder, service: Service) -> None:
    chosen = answer(folder, service, 1, ChooseCompute("one"))
    assert chosen == Answer("settings")
    predicted = answer(folder, service, 2, PredictOrder("one", ORDER))
    assert predicted == Answer(({CLEAN: b"file"}, "logits", 3))
    assert answer(folder, service, 3, CheckModel("one")) == Answer(False)
    assert (Model.loaded, Model.cores) == (["one"], [6])


def test_another_model_replaces_the_first(
    folder: QueueFolder, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Model, "changes", True)
    answer(folder, service, 1, PredictOrder("one", ORDER))
    answer(folder, service, 2, PredictOrder("two", ORDER))
    monkeypatch.setattr(Model, "changes", False)
    assert Model.loaded == ["one", "two"]
    assert answer(folder, service, 3, CheckModel("one")) == Answer(True)
    assert answer(folder, service, 4, CheckModel("one")) == Answer(False)
    assert answer(folder, service, 5, CheckModel("two")) == Answer(False)
    assert answer(folder, service, 6, CheckModel("never loaded")) == Answer(False)
    assert Model.loaded == ["one", "two"]


def test_errors_are_answers(folder: QueueFolder, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    error = answer(folder, service, 1, PredictOrder("broken", ORDER)).error
    assert isinstance(error, ModelError)
    assert str(error) == "broken cannot be loaded"
    for number, failure in enumerate((ZeroDivisionError("of a library"), SystemExit(2)), 2):
        monkeypatch.setattr(Model, "failure", failure)
        error = answer(folder, service, number, PredictOrder("one", ORDER)).error
        assert isinstance(error, type(failure))
        assert "in predict\n" in error.__notes__[0]  # the traceback of the worker


def test_it_ends_when_the_driver_is_silent(folder: QueueFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_worker, "DRIVER_SILENCE", -1.0)
    Service(folder, 0, 6).run()


def test_a_job_is_queued_again_with_the_same_worker(folder: QueueFolder) -> None:
    worker = SlurmWorker(folder.root, 3, 1, ("/own",), VERSION)
    worker._service = Service(folder, 3, 1)
    again = pickle.loads(pickle.dumps(worker.checkpoint()))
    assert again.function == worker
    assert again.function._service is None
    assert folder.has_left(worker._service.name)


class Ended(BaseException):
    """Raised where a process would end."""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[SlurmWorker], int]]:
    """Runs a job until its process would end; returns its exit code."""

    def end(code: int) -> None:
        raise Ended(code)

    def run(worker: SlurmWorker) -> int:
        with pytest.raises(Ended) as ended:
            worker()
        code: int = ended.value.args[0]
        return code

    monkeypatch.setattr(slurm_worker.os, "_exit", end)
    before = signal.getsignal(signal.SIGTERM)
    yield run
    signal.signal(signal.SIGTERM, before)


def test_a_job_ends_with_its_driver(folder: QueueFolder, run: Callable[[SlurmWorker], int]) -> None:
    folder.stop()
    assert run(SlurmWorker(folder.root, 0, 1, (), VERSION)) == 0


def test_the_exit_code_of_a_job_that_is_queued_again(
    folder: QueueFolder, run: Callable[[SlurmWorker], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def requeue(service: Service) -> None:
        raise SystemExit(144)

    monkeypatch.setattr(Service, "run", requeue)
    assert run(SlurmWorker(folder.root, 0, 1, (), VERSION)) == 144


def test_sigterm_lets_a_job_go_on_without_tasks(
    folder: QueueFolder, run: Callable[[SlurmWorker], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Service, "run", lambda service: os.kill(os.getpid(), signal.SIGTERM))
    assert run(SlurmWorker(folder.root, 0, 1, (), VERSION)) == 0
    (name,) = folder.worker_names()
    assert folder.has_left(name)


def test_imports_of_the_driver_are_found(
    folder: QueueFolder, run: Callable[[SlurmWorker], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, "/both"])
    before = sys.path.copy()
    folder.stop()
    run(SlurmWorker(folder.root, 0, 1, ("/both", "/own"), VERSION))
    assert sys.path == [*before, "/own"]


def test_another_version_is_refused_by_name(folder: QueueFolder) -> None:
    with pytest.raises(ModelError) as error:
        SlurmWorker(folder.root, 0, 1, (), "0.0.1")()
    assert str(error.value) == (
        f"worker on {socket.gethostname()}: quba-check is {VERSION}, but 0.0.1 where the run was started. "
        "Install quba-check 0.0.1 there."
    )
