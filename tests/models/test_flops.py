"""FLOPs: hand-computed and published numbers, and the reason where torch cannot count them."""

import copy
from collections.abc import Callable

import pytest
import timm
import torch
from support.loaded_models import of_module, prepared
from support.onnx_files import colours
from torch import Tensor, nn
from torch.ao import quantization

from quba_check.errors import UnmeasurableError
from quba_check.models.flops import count_flops
from quba_check.models.programs.torch_programs import ExportedNetwork

CONVOLUTION = 2 * 8 * 8 * 4 * 27
LINEAR = 2 * 4 * 3
WIDTH = 16
TOKENS = 12
ATTENTION = 2 * TOKENS * (4 * WIDTH * WIDTH + 2 * TOKENS * WIDTH)
"""Of queries, keys, values and output, and of the two products of attention."""


class Tokens(nn.Module):
    """A layer on 12 tokens of width 16, the pixels of an image."""

    def __init__(self, layer: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images.reshape(len(images), TOKENS, WIDTH)).mean(1)[:, :3]


ATTEND = nn.MultiheadAttention(WIDTH, 2, batch_first=True).eval()
LSTM = nn.LSTM(WIDTH, 3, batch_first=True).eval()


class Dropping(nn.Module):
    """Attention with random numbers, in eval mode too."""

    def forward(self, tokens: Tensor) -> Tensor:
        heads = nn.functional.dropout(tokens).unsqueeze(1)
        return nn.functional.scaled_dot_product_attention(heads, heads, heads).squeeze(1)


def reason(module: nn.Module) -> str:
    with pytest.raises(UnmeasurableError) as raised:
        count_flops(of_module(module))
    return raised.value.reason


@pytest.mark.parametrize(
    ("module", "flops"),
    [
        (colours(), CONVOLUTION + LINEAR),
        (torch.compile(colours(), backend="eager"), CONVOLUTION + LINEAR),
        (Tokens(Dropping()), 2 * 2 * TOKENS * TOKENS * WIDTH),
        (Tokens(lambda tokens: ATTEND(tokens, tokens, tokens, need_weights=False)[0]), ATTENTION),
        (
            Tokens(nn.TransformerEncoderLayer(WIDTH, 2, 32, batch_first=True)),
            ATTENTION + 2 * TOKENS * 2 * 32 * WIDTH,
        ),
    ],
    ids=["convolution", "compiled", "attention", "heads", "encoder"],
)
def test_two_for_each_multiplication_and_addition(module: nn.Module, flops: int) -> None:
    assert count_flops(of_module(module)) == flops


def test_nothing_changes() -> None:
    module = nn.Sequential(colours(), nn.Dropout())
    one = of_module(module)
    state = copy.deepcopy(module.state_dict())
    random = torch.get_rng_state()
    count_flops(one)
    count_flops(of_module(Tokens(Dropping())))
    assert all(torch.equal(tensor, module.state_dict()[name]) for name, tensor in state.items())
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.backends.mha.get_fastpath_enabled()
    one.guard().check_state()


@pytest.mark.filterwarnings("ignore")  # TorchScript is deprecated
def test_programs_have_the_flops_of_their_model() -> None:
    model = timm.create_model("test_vit", num_classes=3, img_size=64).eval()
    images = torch.rand(4, 3, 64, 64)
    size = prepared(input_size=(3, 64, 64))
    flops = count_flops(of_module(model, preprocessing=size))
    traced = torch.jit.trace(model, images)
    exported = ExportedNetwork(torch.export.export(model, (images,)).module(), 4, 4)
    for program in (traced, torch.jit.freeze(traced), exported):
        assert count_flops(of_module(program, preprocessing=size)) == flops


@torch.library.custom_op("quba_test::scan", mutates_args=())
def scan(tokens: Tensor) -> Tensor:
    return tokens.cumsum(1)


@pytest.mark.filterwarnings("ignore")  # torch's quantisation and TorchScript are deprecated
def test_operators_that_torch_does_not_count() -> None:
    """A part that the counter takes for 0 makes the whole unmeasurable, never too low."""
    quantised = quantization.quantize_dynamic(colours(), {nn.Linear})
    assert reason(quantised) == "torch cannot count the FLOPs of quantized::linear_dynamic"
    assert (
        reason(Tokens(lambda tokens: LSTM(tokens)[0]))
        == "torch cannot count the FLOPs of aten::mkldnn_rnn_layer"
    )
    own = Tokens(lambda tokens: scan(tokens @ torch.eye(WIDTH)))
    assert reason(own) == "torch cannot count the FLOPs of quba_test::scan"
    fused = torch.jit.optimize_for_inference(torch.jit.trace(colours(), torch.rand(1, 3, 8, 8)))
    assert reason(fused) == "torch cannot count the FLOPs of prim::mkldnn_convolution"


def test_a_model_that_fails_only_while_it_is_counted() -> None:
    assert reason(Tokens(len)) == (
        "torch cannot count its FLOPs: zoo:net: the model fails on a batch of 1 images of 3×8×8: "
        "AttributeError: 'int' object has no attribute 'mean'"
    )
