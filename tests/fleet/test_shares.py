"""Each process that runs at once gets its GPU and its share of the cores."""

from __future__ import annotations

import pytest
import torch

from quba_check.fleet.shares import machine_shares, visible_gpus


@pytest.fixture(autouse=True)
def _without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def test_a_single_process_has_the_machine() -> None:
    assert machine_shares(None, [], 8) == [{}]
    assert machine_shares(1, ["0", "1"], 8) == [{}]


def test_one_process_for_each_gpu() -> None:
    assert machine_shares(None, ["0", "3"], 8) == [
        {"OMP_NUM_THREADS": "4", "CUDA_VISIBLE_DEVICES": "0"},
        {"OMP_NUM_THREADS": "4", "CUDA_VISIBLE_DEVICES": "3"},
    ]


def test_more_processes_than_gpus_share_them() -> None:
    assert [share["CUDA_VISIBLE_DEVICES"] for share in machine_shares(3, ["0", "1"], 2)] == ["0", "1", "0"]
    assert machine_shares(3, [], 2) == [{"OMP_NUM_THREADS": "1"}] * 3


def test_the_users_number_of_threads_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert machine_shares(2, [], 8) == [{}, {}]


def test_gpus_that_the_environment_names() -> None:
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "2, GPU-8932f937"}) == ["2", "GPU-8932f937"]
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": ""}) == []


def test_gpus_that_torch_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert visible_gpus({}) == ["0", "1"]
