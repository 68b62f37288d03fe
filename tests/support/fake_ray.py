"""Ray without processes: workers answer at once, die when told so, and note what they were given."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("ray")

import ray.exceptions

from quba_check.executors.ray.worker import Machine

Answer = Any
Behaviour = Callable[["Actor", str, tuple[Any, ...]], Answer]
WAITING = object()
"""An answer that does not come."""


class Ref:
    """An answer of a worker."""

    def __init__(self, value: Answer) -> None:
        self.value = value


class Actor:
    """A worker.

    Attributes:
        number: counted from 0 in the order of their start.
        calls: what it was asked, with the arguments.
    """

    def __init__(self, fake: FakeRay, number: int) -> None:
        self.number = number
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.is_killed = False
        self._fake = fake

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=lambda *arguments: Ref(self.answer(name, arguments)))

    def answer(self, name: str, arguments: tuple[Any, ...]) -> Answer:
        self.calls.append((name, arguments))
        answer = self._fake.behaviour(self, name, arguments)
        if answer is None and name == "machine":
            return Machine(self._fake.node_of(self.number), f"host{self.number}", 100 + self.number)
        return [] if answer is None else answer


class FakeRay:
    """The part of the module ray that the executor uses.

    Args:
        behaviour: what a worker answers to a call: a value, an exception that Ray raises, `WAITING`, or None
            for the default (a machine, an unchanged model).
        nodes: names of the machines; workers are started on them one after another.

    Attributes:
        actors: all workers ever started.
        dead: names of machines that are gone.
    """

    exceptions = ray.exceptions

    def __init__(self, behaviour: Behaviour, nodes: tuple[str, ...] = ("a", "b")) -> None:
        self.behaviour = behaviour
        self.actors: list[Actor] = []
        self.dead: set[str] = set()
        self.is_shut_down = False
        self._nodes = nodes

    def node_of(self, number: int) -> str:
        alive = [name for name in self._nodes if name not in self.dead]
        return alive[number % len(alive)]

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {"NodeID": name, "Alive": name not in self.dead, "Resources": {"CPU": 1.0}}
            for name in self._nodes
        ]

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": float(len(self._nodes))}

    def remote(self, **options: Any) -> Callable[[type], Any]:
        self.options = options
        return lambda _: SimpleNamespace(remote=self.start)

    def start(self, *_: Any) -> Actor:
        self.actors.append(actor := Actor(self, len(self.actors)))
        return actor

    def put(self, value: Any) -> Any:
        return value

    def get(self, ref: Ref) -> Answer:
        if isinstance(ref.value, Exception) and isinstance(ref.value, ray.exceptions.RayError):
            raise ref.value
        return ref.value

    def wait(self, refs: list[Ref], num_returns: int = 1, timeout: float = 0) -> tuple[list[Ref], list[Ref]]:
        ready = [ref for ref in refs if ref.value is not WAITING]
        return ready[:num_returns], ready[num_returns:]

    def kill(self, actor: Actor) -> None:
        actor.is_killed = True

    def shutdown(self) -> None:
        self.is_shut_down = True


def died(words: str = "Its worker process died.") -> ray.exceptions.ActorDiedError:
    """Ray's error about a worker whose process died."""
    error = ray.exceptions.ActorDiedError()
    error.error_msg = f"{error.BASE_ERROR_MSG}\n\tpid: 7\n{words} Some common causes include: (1) memory"
    return error


def unavailable() -> ray.exceptions.ActorUnavailableError:
    """Ray's error about a worker that cannot be reached."""
    return ray.exceptions.ActorUnavailableError("Socket closed", None)
