"""A worker in another process, which predicts shards as requests arrive."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

from quba_check.engine.progress import Step
from quba_check.engine.shards import ShardRequest, ShardResult
from quba_check.errors import QubaError
from quba_check.executors.worker_spec import WorkerSpec
from quba_check.models.compute import ComputeSettings
from quba_check.storage.shard import ShardKey

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

    def choose_compute(self) -> ComputeSettings:
        """Return the settings of passes chosen on this device, before the first shard."""
        return self._engine.worker.choose_compute()

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
            try:
                self._predict(self._requests(first, taken), taken)
            except BaseException as error:  # noqa: BLE001  the caller in the other thread raises it
                self._fail(taken, error)

    def _predict(self, requests: Iterator[ShardRequest], taken: list[Waiting]) -> None:
        """Answer requests, and remove them from those taken."""
        for result in self._engine.worker.run(requests):
            passes, self._passes = self._passes, 0
            (number,) = (number for number, (request, _) in enumerate(taken) if request is result.request)
            taken.pop(number)[1].set_result(replace(result, passes=max(passes, 1)))

    def _fail(self, taken: list[Waiting], error: BaseException) -> None:
        """Answer requests one of which fails: each of several is predicted alone."""
        if len(taken) == 1:
            taken[0][1].set_exception(error)
            return
        for one in taken:
            try:
                self._predict(iter([one[0]]), [one])
            except BaseException as own:  # noqa: BLE001  as above
                one[1].set_exception(own)

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
        classifier, worker = self._engine.classifier, self._engine.worker
        if classifier.compute != request.compute:
            classifier.use(request.compute)
        try:
            worker.verify(request)
        except QubaError as error:
            raise type(error)(f"worker on {socket.gethostname()}: {error}") from None
