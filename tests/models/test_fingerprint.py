from __future__ import annotations

import pytest
import torch
from torch import nn

from quba_check.models.fingerprint import fingerprint, named_tensors, state_digest
from quba_check.models.programs.exported import ExportedNetwork
from quba_check.models.programs.runtime import ImageInput, RuntimeProgram
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
    ]
    assert len(set(digests)) == len(digests)


def test_order_and_layout_do_not_count():
    grid = torch.arange(6.0).view(2, 3)
    assert state_digest({"a": grid, "b": grid[0]}) == state_digest(
        {"b": grid[0].clone(), "a": grid.t().contiguous().t()}
    )


def test_half_types_and_scalars_are_digested():
    assert state_digest({"a": torch.tensor(1, dtype=torch.bfloat16)}) != state_digest(
        {"a": torch.tensor(2).bfloat16()}
    )


def test_fingerprint_is_of_structure_name_and_sources(tmp_path):
    source = tmp_path / "model.py"
    source.write_text("one")
    state = digest(network())
    same = fingerprint(network(), state, architecture="a", sources=[source])
    assert same == fingerprint(network(), state, architecture="a", sources=[source])
    others = [
        fingerprint(network(act=nn.GELU), state, architecture="a", sources=[source]),
        fingerprint(network(), state, architecture="b", sources=[source]),
        fingerprint(network(), "other", architecture="a", sources=[source]),
        fingerprint(network(), state, architecture="a", sources=[tmp_path / "gone.py"]),
    ]
    source.write_text("two")
    others.append(fingerprint(network(), state, architecture="a", sources=[source]))
    assert len({same, *others}) == 6


def test_where_a_source_lies_does_not_count(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "model.py").write_text("code")
    prints = {fingerprint(network(), "s", architecture="", sources=[tmp_path / f / "model.py"]) for f in "ab"}
    assert len(prints) == 1


WRAPPERS = {
    "quba_check.models.exported.ExportedNetwork": (
        ExportedNetwork(nn.Identity(), 1, 4),
        "f7259dca398606945d073004c6f64d7f",
    ),
    "quba_check.models.onnx_program.OnnxProgram": (
        RuntimeProgram(lambda images: images, ImageInput(), b"x", "onnxruntime 1", "scores"),
        "7ac3fe7e6c6008be0fded176743a4989",
    ),
    "quba_check.models.zero_shot.ZeroShotClassifier": (
        ZeroShotClassifier(
            nn.Identity(),
            torch.zeros(1, 1),
            scale=torch.ones(()),
            bias=torch.zeros(()),
            runtime="o 3",
            texts="d",
        ),
        "56313bef713a542c5f910581cf7ac0e6",
    ),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_wrappers_have_the_fingerprints_of_version_0_1(name):
    wrapper, expected = WRAPPERS[name]
    assert wrapper.fingerprint_name == name
    assert fingerprint(wrapper, digest(wrapper), architecture="x") == expected


class Noted(nn.Module):
    def extra_repr(self):
        return repr(lambda: None)


def test_addresses_in_the_printed_form_do_not_count():
    first, second = Noted(), Noted()
    keep = [object() for _ in range(100)]
    assert fingerprint(first, "s", architecture="") == fingerprint(second, "s", architecture="")
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
    prints = [fingerprint(module, digest(module), architecture="") for module in modules]
    assert prints[0] == prints[3]
    assert len(set(prints)) == 3
