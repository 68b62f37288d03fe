"""The GPUs that the environment names, else those that torch counts."""

from __future__ import annotations

import pytest
import torch

from quba_check.models.visible_gpus import visible_gpus


def test_gpus_that_the_environment_names() -> None:
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "2, GPU-8932f937"}) == ["2", "GPU-8932f937"]
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": ""}) == []


def test_gpus_that_torch_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert visible_gpus({}) == ["0", "1"]
