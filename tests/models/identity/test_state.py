from functools import partial

import pytest
import torch
from support.errors import error_text
from torch import nn

from quba_check.errors import InvariantError
from quba_check.models.identity.state import STATE_CHANGED, Guard, named_tensors, state_digest


def network(width=4, act=nn.ReLU):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), act())


def digest(module):
    return state_digest(named_tensors(module))


@pytest.mark.parametrize("name", ["0.weight", "0.bias", "1.running_var", "1.num_batches_tracked"])
def test_every_tensor_counts(name):
    changed = network()
    with torch.no_grad():
        named_tensors(changed)[name].view(-1)[-1:].add_(1)
    assert digest(changed) != digest(network())


def test_names_types_and_shapes_count():
    zero = torch.zeros(4)
    digests = [
        state_digest({"a": zero}),
        state_digest({"b": zero}),
        state_digest({"a": zero.view(2, 2)}),
        state_digest({"a": zero.int()}),
        state_digest({"a": zero, "b": torch.zeros(0)}),
        *(state_digest({"a": torch.tensor(number).bfloat16()}) for number in (1, 2)),
    ]
    assert len(set(digests)) == len(digests)


def test_order_and_layout_do_not_count():
    grid = torch.arange(6.0).view(2, 3)
    assert state_digest({"a": grid, "b": grid[0]}) == state_digest(
        {"b": grid[0].clone(), "a": grid.t().contiguous().t()}
    )


CHANGED = (
    "fog/3: the model's tensor '{}' changed while the model was measured. "
    "A forward pass in eval mode must not write to the model."
)


@pytest.fixture(name="network")
def network_in_eval_mode():
    return network().eval()


@pytest.fixture
def guard(network):
    return Guard(network)


def shown(network):
    with torch.inference_mode():
        network(torch.rand(2, 3, 8, 8))


refusal = partial(error_text, InvariantError)


def complaint(guard):
    return refusal(guard.check, "fog/3")


def test_measuring_is_no_change(network, guard):
    shown(network)
    torch.autograd.grad(network(torch.rand(1, 3, 8, 8, requires_grad=True)).sum(), network[0].weight)
    guard.check("fog/3")
    guard.check_state()


def test_train_mode_is_named(network, guard):
    network[1].train()
    assert complaint(guard) == (
        "fog/3: the model must be measured in eval mode, but its part '1' is in train mode."
    )
    network.train()
    assert complaint(guard) == "fog/3: the model must be measured in eval mode, but it is in train mode."


def test_a_forward_in_train_mode_is_seen_afterwards(network, guard):
    network.train()
    shown(network)
    network.eval()
    assert complaint(guard) == CHANGED.format("1.num_batches_tracked")
    assert refusal(guard.check_state) == STATE_CHANGED


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_in_place_changes_are_seen_in_every_grad_mode(network, guard, mode):
    with mode():
        network[0].bias.add_(0)
    assert complaint(guard) == CHANGED.format("0.bias")


def test_replaced_and_removed_tensors_are_seen(network, guard):
    network[1].running_mean = torch.zeros(4)
    assert complaint(guard) == CHANGED.format("1.running_mean")
    guard = Guard(network)
    network[0].bias = None
    assert complaint(guard) == CHANGED.format("0.bias")


def test_a_new_buffer_is_no_change(network, guard):
    network.register_buffer("cache", torch.zeros(3))
    guard.check("fog/3")
    guard.check_state()


def test_the_checksum_sees_what_counters_do_not(network, guard):
    network[0].weight.data.add_(1)
    guard.check("fog/3")
    assert refusal(guard.check_state) == STATE_CHANGED


def test_tensors_without_counters_are_left_to_the_checksum():
    with torch.inference_mode():
        network = nn.Linear(2, 2).eval()
    guard = Guard(network)
    guard.check("clean")
    with torch.inference_mode():
        network.weight.add_(1)
    guard.check("clean")
    assert refusal(guard.check_state) == STATE_CHANGED
