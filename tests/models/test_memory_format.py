from __future__ import annotations

import pytest
import torch
from torch import nn

from quba_check.models.classifier import ConvolutionWeights
from quba_check.models.fingerprint import named_tensors, state_digest


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


@pytest.mark.parametrize(
    ("module", "overlap"),
    [
        (nn.Linear(2, 2), False),
        (nn.Conv2d(3, 8, 16, stride=16), False),
        (nn.Conv2d(3, 8, (1, 3)), True),
        (nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.Conv2d(8, 8, 7, padding=3, groups=8)), True),
    ],
    ids=["linear", "patches of a transformer", "one direction", "ConvNeXt"],
)
def test_windows_of_a_convolutional_network_overlap(module: nn.Module, overlap: bool) -> None:
    assert ConvolutionWeights(module).overlap is overlap
