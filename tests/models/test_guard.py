from __future__ import annotations

import pytest
import torch
from torch import nn

from quba_check.errors import InvariantError
from quba_check.models.fingerprint import STATE_CHANGED, Guard

CHANGED = (
    "fog/3: the model's tensor '{}' changed while the model was measured. "
    "A forward pass in eval mode must not write to the model."
)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()


def shown(network):
    with torch.inference_mode():
        network(torch.rand(2, 3, 8, 8))


def complaint(guard):
    with pytest.raises(InvariantError) as caught:
        guard.check("fog/3")
    return str(caught.value)


def test_measuring_is_no_change(network):
    guard = Guard(network)
    shown(network)
    torch.autograd.grad(network(torch.rand(1, 3, 8, 8, requires_grad=True)).sum(), network[0].weight)
    guard.check("fog/3")
    guard.check_state()


def test_train_mode_is_named(network):
    guard = Guard(network)
    network[1].train()
    assert complaint(guard) == (
        "fog/3: the model must be measured in eval mode, but its part '1' is in train mode."
    )
    network.train()
    assert complaint(guard) == "fog/3: the model must be measured in eval mode, but it is in train mode."


def test_a_forward_in_train_mode_is_seen_afterwards(network):
    guard = Guard(network)
    network.train()
    shown(network)
    network.eval()
    assert complaint(guard) == CHANGED.format("1.num_batches_tracked")
    with pytest.raises(InvariantError, match="end of run: "):
        guard.check_state()


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_in_place_changes_are_seen_in_every_grad_mode(network, mode):
    guard = Guard(network)
    with mode():
        network[0].bias.add_(0)
    assert complaint(guard) == CHANGED.format("0.bias")


def test_replaced_and_removed_tensors_are_seen(network):
    guard = Guard(network)
    network[1].running_mean = torch.zeros(4)
    assert complaint(guard) == CHANGED.format("1.running_mean")
    guard = Guard(network)
    network[0].bias = None
    assert complaint(guard) == CHANGED.format("0.bias")


def test_a_new_buffer_is_no_change(network):
    guard = Guard(network)
    network.register_buffer("cache", torch.zeros(3))
    guard.check("fog/3")
    guard.check_state()


def test_the_checksum_sees_what_counters_do_not(network):
    guard = Guard(network)
    network[0].weight.data.add_(1)
    guard.check("fog/3")
    with pytest.raises(InvariantError) as caught:
        guard.check_state()
    assert str(caught.value) == STATE_CHANGED


def test_tensors_without_counters_are_left_to_the_checksum():
    with torch.inference_mode():
        network = nn.Linear(2, 2).eval()
    guard = Guard(network)
    guard.check("clean")
    with torch.inference_mode():
        network.weight.add_(1)
    guard.check("clean")
    with pytest.raises(InvariantError):
        guard.check_state()
