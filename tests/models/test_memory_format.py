from __future__ import annotations

import torch
from torch import nn

from quba_check.models.fingerprint import named_tensors, state_digest
from quba_check.models.memory_format import ConvolutionWeights


def test_formats_change_strides_and_nothing_else_and_the_originals_come_back() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Linear(2, 2), nn.Conv2d(4, 5, 1), nn.ConvTranspose2d(5, 2, 3)
    )
    weights = ConvolutionWeights(module)
    before = {name: (tensor.data_ptr(), tensor.stride()) for name, tensor in named_tensors(module).items()}
    digest = state_digest(named_tensors(module))
    weights.use(channels_last=True)
    assert module[0].weight.stride() == (27, 1, 9, 3)
    assert module[1].weight.stride() == (2, 1)
    assert state_digest(named_tensors(module)) == digest
    weights.use(channels_last=False)
    assert before == {
        name: (tensor.data_ptr(), tensor.stride()) for name, tensor in named_tensors(module).items()
    }


def test_a_release_keeps_the_format_in_use() -> None:
    module = nn.Conv2d(3, 4, 3)
    values = module.weight.detach().clone()
    weights = ConvolutionWeights(module)
    weights.use(channels_last=True)
    weights.release()
    assert torch.equal(module.weight, values)
    assert not module.weight.is_contiguous()
    weights.use(channels_last=False)
    assert torch.equal(module.weight, values)
    assert module.weight.is_contiguous()


def test_shared_and_parametrised_weights() -> None:
    first, second = nn.Conv2d(2, 2, 3), nn.Conv2d(2, 2, 3)
    second.weight = first.weight
    computed = nn.utils.parametrizations.weight_norm(nn.Conv2d(2, 2, 3))
    module = nn.Sequential(first, second, computed)
    ConvolutionWeights(module).use(channels_last=True)
    assert first.weight is second.weight
    assert first.weight.is_contiguous(memory_format=torch.channels_last)
    assert module(torch.ones(1, 2, 9, 9)).shape == (1, 2, 3, 3)


def test_modules_without_convolutions() -> None:
    assert not ConvolutionWeights(nn.Linear(2, 2))
    assert ConvolutionWeights(nn.Conv2d(1, 1, 1))
