"""Weights outside of a module's parameters count, and enter the fingerprint; none is missed in silence."""

import copy
from collections.abc import Callable
from functools import partial

import pytest
import torch
from support.loaded_models import THREE, size
from support.loaded_models import load as load_model
from torch import Tensor, nn
from torch.ao import quantization

from quba_check.models.programs.weights import NONE, depends_on_batch, hidden_weights

pytestmark = pytest.mark.filterwarnings("ignore")  # torch's quantisation and TorchScript are deprecated


UNCOUNTED = "its '{}' is {}, so its weights cannot be counted"


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.convolution(x)).relu().mean((2, 3)))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 4, 2, bidirectional=True)
        self.gru = nn.GRU(8, 4)
        self.bag = nn.EmbeddingBag(10, 8)


EMBEDDINGS = {nn.EmbeddingBag: quantization.float_qparams_weight_only_qconfig}


class Holding(nn.Module):
    """A module with a value in a plain attribute."""

    def __init__(self, value: object) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.value = value


def dynamic(module: nn.Module, *kinds: type[nn.Module]) -> nn.Module:
    return quantization.quantize_dynamic(module.eval(), set(kinds))


def static(module: nn.Module) -> nn.Module:
    net = nn.Sequential(quantization.QuantStub(), module.convolution, nn.ReLU(), quantization.DeQuantStub())
    net.eval().qconfig = quantization.get_default_qconfig()
    quantization.prepare(net, inplace=True)(torch.rand(2, 3, 8, 8))
    return quantization.convert(net)


def traced(module: nn.Module) -> nn.Module:
    return torch.jit.trace(module, torch.rand(1, 3, 8, 8))


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (lambda: dynamic(Net(), nn.Linear), size(Net())),
        (lambda: nn.Sequential(dynamic(Net(), nn.Linear)), size(Net())),
        (lambda: dynamic(Recurrent(), nn.LSTM, nn.GRU), size(Recurrent())),
        (lambda: quantization.quantize_dynamic(Recurrent().eval(), EMBEDDINGS), size(Recurrent())),
        (lambda: static(Net()), size(Net().convolution)),
        (lambda: traced(dynamic(Net(), nn.Linear)), size(Net())),
        (lambda: torch.jit.freeze(traced(Net().eval())), size(Net()) - 8),  # BatchNorm is folded
        (lambda: Holding([nn.Linear(4, 3)]), 2 + 15),
        (lambda: Holding({"a": (torch.ones(4), torch.ones(5, dtype=torch.int8))}), 2 + 9),
        (lambda: Holding(torch.quantize_per_tensor(torch.ones(4), 0.1, 0, torch.quint4x2)), 2 + 4),
        (lambda: Holding(torch.arange(9)), 2),
        (lambda: Holding(torch.tensor(0.5)), 2),
    ],
)
def test_all_weights_count(module: Callable[[], nn.Module], expected: int) -> None:
    assert hidden_weights(module(), spec="x").parameters == expected


def test_nothing_counts_twice() -> None:
    made = Holding(None)
    made.value = [made.weight, made.weight.T, made, Net().norm.running_mean[:1]]
    made.register_buffer("mean", torch.ones(3))
    made.register_buffer("weights_of_8_bits", torch.ones(5, dtype=torch.int8))
    assert hidden_weights(made, spec="x").parameters == 2 + 5


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (lambda: nn.Flatten(), NONE),
        (lambda: Holding(torch.eye(4).to_sparse()), UNCOUNTED.format("value", "sparse")),
        (lambda: Holding([torch.ones(3, device="meta")]), UNCOUNTED.format("value.0", "meta")),
        (lambda: dynamic(Net(), nn.Linear), UNCOUNTED.format("head._packed_params._packed_params", "packed")),
    ],
)
def test_weights_that_cannot_be_counted(
    module: Callable[[], nn.Module], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quba_check.models.programs.weights._unpacked", lambda _: None)
    assert hidden_weights(module(), spec="x").uncounted == reason


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (Net, False),
        (lambda: dynamic(Net(), nn.Linear), True),
        (lambda: traced(dynamic(Net(), nn.Linear)), True),
        (lambda: static(Net()), False),
        (lambda: traced(Net().eval()), False),
    ],
)
def test_scales_that_depend_on_the_batch(module: Callable[[], nn.Module], expected: bool) -> None:
    assert depends_on_batch(module()) is expected


load = partial(load_model, classes=THREE, image_size=8)


def test_a_quantised_callable(zoo: Callable[[nn.Module], str]) -> None:
    classifier = load(zoo(dynamic(Net(), nn.Linear)))
    assert classifier.facts.parameters == size(Net())
    # With 12 weights of int8, and the statistics.
    assert classifier.facts.weight_bytes == 4 * (size(Net()) - 12 + 8) + 12 + 8
    assert classifier.facts.file_bytes is None
    assert classifier.facts.trainable == size(Net()) - 15  # a training cannot change packed weights
    assert classifier.notes[:2] == (
        "parameters counts 15 numbers outside of zoo:model's parameters, too",
        "zoo:model is quantised dynamically, with a scale that depends on the whole batch: images "
        "are predicted one by one, which is slower. To avoid that, quantise it statically, with a scale from "
        "calibration images",
    )


def test_packed_weights_enter_the_fingerprint(zoo: Callable[[nn.Module], str]) -> None:
    other = Net()
    with torch.no_grad():
        other.head.weight[0, 0] += 1
    prints = [load(zoo(dynamic(copy.deepcopy(net), nn.Linear))).fingerprint for net in (Net(), Net(), other)]
    assert prints[0] == prints[1] != prints[2]
