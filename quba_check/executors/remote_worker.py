"""A worker in another process, and the plain values that it loads its model from."""

from __future__ import annotations

import queue
import socket
import threading
import typing
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from quba_check.core.protocols import Protocol
from quba_check.core.view import View
from quba_check.core.work import Progress, Step
from quba_check.engine.batching import BatchSettings, default_threads
from quba_check.engine.cache_keys import model_identity
from quba_check.engine.engine import Engine
from quba_check.engine.shards import Executor, ShardRequest, ShardResult
from quba_check.errors import ModelError, OptionError, QubaError
from quba_check.models.classifier import Classifier
from quba_check.models.compute import ComputeSettings
from quba_check.models.loading import load_classifier
from quba_check.models.request import LoadRequest
from quba_check.storage.data_copies import CopySettings
from quba_check.storage.shard import ShardKey
from quba_check.storage.store import Store, content_hash
from quba_check.suites.contents import Contents
from quba_check.suites.opening import find_suite
from quba_check.suites.sampling import SubsetSampler
from quba_check.suites.suite import Suite


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """A model with its images and settings; it can be sent to other machines.

    Attributes:
        spec: the model, as given.
        request: how it is loaded.
        source: the suite, see `Suite.source`.
        sampler: selects the images of each set.
        protocol: settings of attacks, ties and cropping.
        batch_settings: batch size and threads.
        identity: settings that identify the model where the run was started, see `model_identity`.
        copies: settings for copies of a data folder at a URL; None for other folders.
    """

    spec: str
    request: LoadRequest
    source: str
    sampler: SubsetSampler
    protocol: Protocol
    batch_settings: BatchSettings
    identity: Mapping[str, Any]
    copies: CopySettings | None = None

    @classmethod
    def of(
        cls, classifier: Classifier, suite: Suite, protocol: Protocol, settings: BatchSettings
    ) -> WorkerSpec:
        """Return the values of a loaded model.

        Raises:
            OptionError: the model was not loaded from a spec.
        """
        if classifier.request is None:
            raise OptionError(
                f"{classifier.spec} exists in this process alone; no worker can load it",
                where="--quba-executor",
                allowed="a model spec, such as package.module:callable",
            )
        request = replace(classifier.request, progress=None, cache=None, worker=None)
        identity = model_identity(classifier)
        copies = suite.folder.copies
        return cls(
            classifier.spec, request, suite.source, suite.sampler, protocol, settings, identity, copies
        )

    @property
    def key(self) -> str:
        """Hash of the values, the same in all processes."""
        return content_hash([repr(self)])

    def engine(self, folder: Path, cores: int, progress: Progress | None = None) -> Engine:
        """Load the model and open the images.

        Args:
            folder: a folder of this machine for digests and prepared images.
            cores: cores of this process, from which the number of reading threads follows.
            progress: called after every pass of a batch.

        Raises:
            ModelError: the model or the libraries are others here.
            QubaError: the model or the suite cannot be used.
        """
        store = Store(folder)
        suite = find_suite(self.source, folder, self.sampler, self.copies)
        classifier = load_classifier(self.spec, replace(self.request, cache=folder))
        self._check(model_identity(classifier))
        settings = self.batch_settings
        if settings.threads is None:
            settings = replace(settings, threads=default_threads(classifier.device, cores))
        return Engine(classifier, Contents(suite, folder), store, self.protocol, settings, progress)

    def _check(self, here: Mapping[str, Any]) -> None:
        """Check that this is the model of the run.

        Raises:
            ModelError: libraries, model or preprocessing differ, with both values.
        """
        there = self.identity
        differences = []
        for name, version in here["libraries"].items():
            other = there["libraries"].get(name, "not used")
            if version != other:
                differences.append(f"{name} is {version}, but {other}")
        differences += [f"its {name} is another than" for name in here if here[name] != there[name]]
        if differences:
            raise ModelError(
                f"worker on {socket.gethostname()}: {self.spec}: {differences[0]} where the run was started, "
                "so predictions may differ. Install the same libraries, and copy the same files."
            )


class WorkerPool(typing.Protocol):
    """The workers of all models of a run, in other processes.

    Args:
        address: of the workers; empty for the default.
    """

    def __init__(self, address: str) -> None: ...

    def executor(self, spec: WorkerSpec) -> Executor:
        """Return the executor of a model. No process is started yet.

        Raises:
            OptionError: the workers cannot run it.
        """

    def close(self) -> None:
        """End the workers."""


Answer = Future[ShardResult]
Waiting = tuple[ShardRequest, Answer]


class RemoteWorker:
    """The end of an executor on another process or machine.

    Shards that wait are read ahead while one is predicted, so that the device is never idle between two.

    Args:
        spec: the model and its images.
        folder: a folder of this machine for digests and prepared images.
        cores: cores of this worker.

    Raises:
        QubaError: the model or the images cannot be used here, or are others here.
    """

    def __init__(self, spec: WorkerSpec, folder: Path, cores: int) -> None:
        self._engine = spec.engine(folder, cores, self._count)
        self._waiting: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._passes = 0
        self._busy = threading.Lock()  # a choice changes the settings of the classifier meanwhile
        self._thread = threading.Thread(target=self._serve, name="quba-worker", daemon=True)
        self._thread.start()

    def submit(self, request: ShardRequest) -> Answer:
        """Queue a shard, and return its future result.

        The result raises a ModelError if settings or images are others here, and a QubaError if the shard
        cannot be predicted.
        """
        answer: Answer = Future()
        self._waiting.put((request, answer))
        return answer

    def choose_compute(self, view: View) -> ComputeSettings:
        """Return the settings of passes over a view, chosen on this device."""
        with self._busy:
            return self._engine.worker.choose_compute(view)

    def close(self) -> list[ShardKey]:
        """Release the model after the shards that wait; see `changed`."""
        self._waiting.put(None)
        self._thread.join()
        return self.changed()

    def changed(self) -> list[ShardKey]:
        """Return the shards since the last call if the model changed."""
        return self._engine.worker.changed()

    def _count(self, step: Step) -> None:
        self._passes += step.passes

    def _serve(self) -> None:
        """Predict shards until the end."""
        while (first := self._waiting.get()) is not None:
            taken: list[Waiting] = []
            with self._busy:
                try:
                    self._predict(self._requests(first, taken), taken)
                except BaseException as error:  # noqa: BLE001  the caller in the other thread raises it
                    self._fail(taken, error)

    def _predict(self, requests: Iterator[ShardRequest], taken: list[Waiting]) -> None:
        """Answer requests, and remove them from those taken."""
        for result in self._engine.worker.run(requests):
            passes = self._passes
            self._passes = 0
            (number,) = (number for number, (request, _) in enumerate(taken) if request is result.request)
            taken.pop(number)[1].set_result(replace(result, passes=max(passes, 1)))

    def _fail(self, taken: list[Waiting], error: BaseException) -> None:
        """Answer requests one of which fails: each of several is predicted alone."""
        if len(taken) == 1:
            taken[0][1].set_exception(error)
            return
        for waiting in taken:
            try:
                self._predict(iter([waiting[0]]), [waiting])
            except BaseException as own:  # noqa: BLE001  as above
                waiting[1].set_exception(own)

    def _requests(self, first: Waiting, taken: list[Waiting]) -> Iterator[ShardRequest]:
        """Yield a request and those that wait, after checking them.

        Args:
            first: the first one.
            taken: extended by each request.
        """
        item: Waiting | None = first
        while item is not None:
            request, answer = item
            try:
                self._take(request)
            except BaseException as error:  # noqa: BLE001  the caller in the other thread raises it
                answer.set_exception(error)
            else:
                taken.append(item)
                yield request
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                return
        self._waiting.put(None)  # the end is found again by `_serve`

    def _take(self, request: ShardRequest) -> None:
        """Take the settings and the images of a request.

        Raises:
            ModelError: they are others here.
        """
        classifier = self._engine.classifier
        worker = self._engine.worker
        if classifier.compute != request.compute:
            classifier.use(request.compute)
        try:
            worker.verify(request)
        except QubaError as error:
            raise type(error)(f"worker on {socket.gethostname()}: {error}") from None
