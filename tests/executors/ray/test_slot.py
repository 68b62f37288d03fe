"""Orders of a worker: two at most, and a suspected one alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("ray")

from quba_check.executors.ray.slot import Attempt, OrderStream, Slot
from quba_check.executors.ray.worker import Machine

STREAM = OrderStream()


def slot() -> Slot:
    actor: Any = SimpleNamespace(predict=SimpleNamespace(remote=lambda order: f"answer {order}"))
    return Slot(actor, None, machine=Machine("node", "host", 7), key="one")


def attempt(order: Any, strikes: int = 0) -> Attempt:
    return Attempt(order, STREAM, strikes)


def test_two_orders() -> None:
    worker = slot()
    worker.give(attempt(1))
    assert worker.has_room
    worker.give(attempt(2))
    assert not worker.has_room
    assert list(worker.answers) == ["answer 1", "answer 2"]


def test_a_suspected_order_is_alone() -> None:
    worker = slot()
    worker.give(attempt(1, strikes=1))
    assert not worker.has_room


def test_a_worker_with_dropped_orders_has_no_room() -> None:
    worker = slot()
    worker.give(attempt(1))
    worker.give(Attempt(2, OrderStream()))  # type: ignore[arg-type]
    assert worker.has_orders_of(STREAM)
    worker.drop(STREAM)
    assert not worker.has_orders_of(STREAM)
    assert not worker.has_room
    assert set(worker.answers) == {"answer 1", "answer 2"}
    assert list(worker.attempts) == ["answer 2"]


def test_a_worker_is_loaded_with_one_model() -> None:
    worker = slot()
    assert worker.is_loaded("one")
    assert not worker.is_loaded("other")
    worker.loading = "answer"
    assert not worker.is_loaded("one")
    assert str(worker.machine) == "host, process 7"
