"""A worker in another process, which predicts orders one by one."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

from quba_check.engine.order import Order, Predicted
from quba_check.engine.progress import Step
from quba_check.errors import QubaError
from quba_check.executors.recipe import Recipe
from quba_check.models.compute import ComputeSettings

Answer = Future[Predicted]


class RemoteWorker:
    """The end of an executor on another process or machine.

    Orders that wait are read ahead while one is predicted, so that the device is never idle between two.

    Args:
        recipe: the model and its images.
        folder: a folder of this machine for digests and prepared images.
        cores: cores of this worker.

    Raises:
        QubaError: the model or the images cannot be used here, or are others here.
    """

    def __init__(self, recipe: Recipe, folder: Path, cores: int) -> None:
        self._engine = recipe.engine(folder, cores, self._count)
        self._waiting: queue.SimpleQueue[tuple[Order, Answer] | None] = queue.SimpleQueue()
        self._passes = 0
        self._thread = threading.Thread(target=self._serve, name="quba-worker", daemon=True)
        self._thread.start()

    @property
    def device(self) -> str:
        """The device of the model."""
        return str(self._engine.classifier.device)

    def predict(self, order: Order) -> Predicted:
        """Predict an order; may be called from several threads.

        Raises:
            ModelError: settings or images are others here than where the order was made.
            QubaError: the order, or one predicted at the same time, cannot be predicted.
        """
        answer: Answer = Future()
        self._waiting.put((order, answer))
        return answer.result()

    def choose_compute(self) -> ComputeSettings:
        """Return the settings of passes chosen on this device, before the first order."""
        return self._engine.worker.choose_compute()

    def is_changed(self) -> bool:
        """Return True if the model changed since the last call."""
        return bool(self._engine.worker.changed())

    def close(self) -> None:
        """Release the model after the orders that wait."""
        self._waiting.put(None)
        self._thread.join()

    def _count(self, step: Step) -> None:
        self._passes += step.passes

    def _serve(self) -> None:
        """Predict orders until the end."""
        while (first := self._waiting.get()) is not None:
            answers: dict[int, Answer] = {}
            try:
                for predicted in self._engine.worker.run(self._orders(first, answers)):
                    passes, self._passes = self._passes, 0
                    answers.pop(id(predicted.order)).set_result(replace(predicted, passes=max(passes, 1)))
            except BaseException as error:  # noqa: BLE001  the caller in the other thread raises it
                for answer in answers.values():
                    answer.set_exception(error)

    def _orders(self, first: tuple[Order, Answer], answers: dict[int, Answer]) -> Iterator[Order]:
        """Yield an order and those that wait, after checking them.

        Args:
            first: the first order.
            answers: filled with the answer of each order.
        """
        item: tuple[Order, Answer] | None = first
        while item is not None:
            order, answer = item
            answers[id(order)] = answer
            try:
                self._take(order)
            except Exception as error:  # noqa: BLE001  the caller in the other thread raises it
                answers.pop(id(order)).set_exception(error)
            else:
                yield order
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                return
        self._waiting.put(None)  # the end is found again by `_serve`

    def _take(self, order: Order) -> None:
        """Take the settings and the images of an order.

        Raises:
            ModelError: they are others here.
        """
        classifier, worker = self._engine.classifier, self._engine.worker
        if classifier.compute != order.compute:
            classifier.use(order.compute)
        try:
            worker.verify(order)
        except QubaError as error:
            raise type(error)(f"worker on {socket.gethostname()}: {error}") from None
