"""The connection to a cluster of Ray, and the resources of workers."""

import signal
from typing import Any

import pytest
from support.errors import error_text
from syrupy.assertion import SnapshotAssertion

from quba_check.errors import OptionError
from quba_check.executors.ray import pool
from quba_check.executors.ray.cluster import WorkerResources, connect, resources
from quba_check.executors.ray.pool import RayPool


def node(alive: bool = True, **resources: float) -> dict[str, Any]:
    return {"NodeID": "a", "Alive": alive, "Resources": resources}


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([node(CPU=4), node(CPU=2), node(alive=False, CPU=8)], WorkerResources(0, 1, 6)),
        ([node(CPU=16, GPU=2), node(CPU=64)], WorkerResources(1, 8, 2)),
        ([node(CPU=16, GPU=2), node(CPU=8, GPU=4)], WorkerResources(1, 2, 6)),
        ([node(CPU=1, GPU=2)], WorkerResources(1, 1, 2)),
        ([node()], WorkerResources(0, 1, 1)),
    ],
)
def test_one_worker_for_each_gpu_else_for_each_core(
    nodes: list[dict[str, Any]], expected: WorkerResources
) -> None:
    assert resources(nodes, use_gpus=True) == expected


def test_a_model_on_the_cpu_takes_no_gpu() -> None:
    assert resources([node(CPU=4, GPU=1)], use_gpus=False) == WorkerResources(0, 1, 4)
    assert str(WorkerResources(0, 1, 6)) == "1 CPU"
    assert str(WorkerResources(1, 4, 6)) == "1 CPU and 1 GPU"


def test_without_ray(monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion) -> None:
    monkeypatch.setattr(pool, "find_spec", lambda _: None)
    assert error_text(OptionError, RayPool, "") == snapshot


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    assert error_text(OptionError, connect, "127.0.0.1:1") == snapshot
    assert error_text(OptionError, connect, "") == snapshot


def test_an_address_that_is_none() -> None:
    pytest.importorskip("ray")
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(OptionError, match=r"^--quba-executor=ray:nowhere: cannot be used: "):
        connect("nowhere")
    assert signal.getsignal(signal.SIGTERM) == handler
