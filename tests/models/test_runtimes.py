"""Torch modules as OpenVINO programs: scores in batches of any size, and modules that cannot be converted."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.loaded_models import images, message
from torch import Tensor, nn

from quba_check.models.runtimes import Program, compiled_program


class Branching(nn.Module):
    """Adds one to the scores of batches with a positive mean."""

    def forward(self, x: Tensor) -> Tensor:
        scores = x.flatten(1)[:, :3]
        return scores + 1 if x.mean() > 0 else scores


class Reversed(torch.autograd.Function):
    """An operation of a user's own."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return torch.from_numpy(x.detach().numpy()[:, ::-1].copy())


class Own(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return Reversed.apply(x.flatten(1)[:, :3])


def openvino_program(module: nn.Module, inputs: Tensor) -> Program:
    return compiled_program("openvino", module, inputs, "net.pt")


def network(*last: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.GELU(), nn.AdaptiveAvgPool2d(1)
    module = nn.Sequential(*layers, nn.Flatten(), nn.Linear(8, 5), *last).eval()
    module[1].running_mean.normal_()
    return module.requires_grad_(False)


class Several(nn.Module):
    def __init__(self, within: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.network = network()
        self.within = within

    def forward(self, x: Tensor) -> object:
        return self.within(self.network(x))


def test_every_batch_has_the_scores_of_torch() -> None:
    module = network()
    run = openvino_program(module, images(4))

    @settings(max_examples=20, deadline=None)
    @given(size=st.integers(1, 40), scale=st.floats(0.1, 30))
    def check(size: int, scale: float) -> None:
        inputs = images(size) * scale
        scores, place = run(inputs)
        torch.testing.assert_close(scores, module(inputs), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(scores[:1], run(inputs[:1])[0], rtol=1e-6, atol=1e-6)
        assert place == ""

    check()


def test_inputs_may_have_the_channels_last_and_stay() -> None:
    inputs = images(4).contiguous(memory_format=torch.channels_last)
    before = inputs.clone()
    run = openvino_program(network(nn.ReLU(inplace=True)), images(4))
    torch.testing.assert_close(run(inputs)[0], network(nn.ReLU())(inputs))
    assert torch.equal(inputs, before)


@pytest.mark.parametrize(
    ("within", "place"),
    [
        (lambda scores: (scores, scores * 2), "the first of 2 outputs"),
        (lambda scores: {"features": scores * 2, "logits": scores}, "the output 'logits'"),
    ],
)
def test_scores_within_other_outputs(within: Callable[[Tensor], object], place: str) -> None:
    scores, found = openvino_program(Several(within), images(2))(images(3))
    torch.testing.assert_close(scores, network()(images(3)))
    assert found == place


def test_forward_hooks_count() -> None:
    module = network()
    module[0].register_forward_hook(lambda layer, inputs, outputs: outputs * 2)
    torch.testing.assert_close(openvino_program(module, images(2))(images(3))[0], module(images(3)))


@pytest.mark.parametrize(
    "module",
    [Branching(), Own(), network(nn.Unflatten(1, (2, 3)))],
    ids=["values decide", "own operation", "the module fails"],
)
def test_modules_that_cannot_be_converted(module: nn.Module) -> None:
    assert message(openvino_program, module, images(2)).startswith("OpenVINO cannot run it: ")
