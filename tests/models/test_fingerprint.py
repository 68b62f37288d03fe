from __future__ import annotations

from functools import partial

import pytest
import torch
from support.errors import error_text
from torch import nn

from quba_check.errors import InvariantError
from quba_check.models.fingerprint import STATE_CHANGED, Guard, fingerprint, named_tensors, state_digest
from quba_check.models.loaded_module import LoadedModule
from quba_check.models.programs.runtime import ImageInput, RuntimeProgram
from quba_check.models.programs.torch_programs import ExportedNetwork
from quba_check.models.zero_shot.loading import ZeroShotClassifier


def network(width=4, act=nn.ReLU):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), act())


def digest(module):
    return state_digest(named_tensors(module))


def test_equal_weights_equal_digest():
    assert digest(network()) == digest(network())
    assert len(digest(network())) == 32


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


def test_fingerprint_is_of_structure_name_and_sources(tmp_path):
    source = tmp_path / "model.py"
    source.write_text("one")
    state = digest(network())
    elsewhere = tmp_path / "another.py"
    elsewhere.write_text("one")
    same = fingerprint(LoadedModule(network(), "a", sources=(source,)), state)
    assert same == fingerprint(LoadedModule(network(), "a", sources=(elsewhere,)), state)
    others = [
        fingerprint(LoadedModule(network(act=nn.GELU), "a", sources=(source,)), state),
        fingerprint(LoadedModule(network(), "b", sources=(source,)), state),
        fingerprint(LoadedModule(network(), "a", sources=(source,)), "other"),
        fingerprint(LoadedModule(network(), "a", sources=(tmp_path / "gone.py",)), state),
    ]
    source.write_text("two")
    others.append(fingerprint(LoadedModule(network(), "a", sources=(source,)), state))
    assert len({same, *others}) == 6


ZERO, ONE = torch.zeros(()), torch.ones(())
WRAPPERS = {
    "f7259dca398606945d073004c6f64d7f": ExportedNetwork(nn.Identity(), 1, 4),
    "7ac3fe7e6c6008be0fded176743a4989": RuntimeProgram(id, ImageInput(), b"x", "onnxruntime 1", "scores"),
    "56313bef713a542c5f910581cf7ac0e6": ZeroShotClassifier(
        nn.Identity(), torch.zeros(1, 1), scale=ONE, bias=ZERO, runtime="o 3", texts="d"
    ),
}


@pytest.mark.parametrize("expected", WRAPPERS)
def test_wrappers_have_the_fingerprints_of_version_0_1(expected):
    assert fingerprint(LoadedModule(WRAPPERS[expected], "x"), digest(WRAPPERS[expected])) == expected


def test_a_network_with_sources_has_the_fingerprint_of_version_0_1(tmp_path):
    module, source = nn.Linear(2, 2), tmp_path / "net.py"
    module.scales = [1, 2.5]
    for value, parameter in enumerate(module.parameters()):
        nn.init.constant_(parameter, value)
    source.write_text("one")
    loaded = LoadedModule(module, "arch", sources=(source,))
    assert fingerprint(loaded, digest(module)) == "c16ec14155bea36703b64ad938532fc6"


class Noted(nn.Module):
    def extra_repr(self):
        return repr(lambda: None)


def test_addresses_in_the_printed_form_do_not_count():
    first, second = Noted(), Noted()
    keep = [object() for _ in range(100)]
    assert fingerprint(LoadedModule(first), "s") == fingerprint(LoadedModule(second), "s")
    assert keep


class Tempered(nn.Linear):
    def __init__(self, temperature, bounds=(0, 1)):
        torch.manual_seed(0)
        super().__init__(2, 2)
        self.temperature = temperature
        self.bounds = bounds
        self.training_notes = {"a mapping": "is no plain setting"}


def test_plain_settings_count_though_they_are_not_printed():
    modules = [Tempered(1.0), Tempered(2.0), Tempered(1.0, bounds=(0, 2)), Tempered(1.0)]
    prints = [fingerprint(LoadedModule(module), digest(module)) for module in modules]
    assert prints[0] == prints[3]
    assert len(set(prints)) == 3


CHANGED = (
    "fog/3: the model's tensor '{}' changed while the model was measured. "
    "A forward pass in eval mode must not write to the model."
)


@pytest.fixture(name="network")
def network_in_eval_mode():
    return network().eval()


def shown(network):
    with torch.inference_mode():
        network(torch.rand(2, 3, 8, 8))


refusal = partial(error_text, InvariantError)


def complaint(guard):
    return refusal(guard.check, "fog/3")


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
    assert refusal(guard.check_state) == STATE_CHANGED


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
