from dataclasses import replace
from functools import partial

import pytest
import torch
from support.loaded_models import message, of_module, prepared
from torch import nn

from quba_check.models.classifier import ConvolutionWeights
from quba_check.models.compute import PLAIN, ComputeSettings


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 3))


PIXELS = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def test_normalisation_by_hand_and_back():
    inputs = of_module(network()).normalise(torch.full((1, 3, 1, 1), 0.6))
    assert inputs.flatten().tolist() == pytest.approx([0.5, 2 / 3, 1.2])
    assert torch.allclose(of_module(network()).denormalise(inputs), torch.tensor(0.6))


def test_normalisation_leaves_pixels_and_carries_gradients():
    pixels = PIXELS.clone().requires_grad_()
    of_module(network()).normalise(pixels).sum().backward()
    assert torch.allclose(pixels.grad, (1 / torch.tensor((0.2, 0.3, 0.25))).view(3, 1, 1).expand_as(pixels))
    assert torch.equal(pixels, PIXELS)


def test_bf16_but_exact_where_asked():
    half = of_module(network(), compute=ComputeSettings("bf16"))
    exact = half.raw(PIXELS, exact=True)
    assert torch.equal(exact, of_module(network()).raw(PIXELS))
    coarse = half.raw(PIXELS)
    assert coarse.dtype == torch.float32
    assert not torch.equal(coarse, exact)
    assert torch.allclose(coarse, exact, atol=0.05)


def test_gradients_are_float32_in_every_precision():
    half = of_module(network(), compute=ComputeSettings("bf16"))
    pixels = PIXELS.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(half.raw(half.normalise(pixels), exact=True).sum(), pixels)
    assert gradient.dtype == torch.float32
    full = of_module(network())
    (expected,) = torch.autograd.grad(full.raw(full.normalise(pixels)).sum(), pixels)
    assert torch.equal(gradient, expected)


def test_logits_by_what_the_outputs_are():
    loaded = of_module(network())
    raw = torch.tensor([[0.25, 0.75]])
    with pytest.raises(RuntimeError, match="must be set"):
        loaded.logits(raw)
    loaded.outputs = "probabilities"
    assert torch.allclose(loaded.logits(raw), raw.log())
    loaded.outputs = "logits"
    assert torch.equal(loaded.logits(raw), raw)


def test_logits_are_divided_by_the_temperature():
    scaled = of_module(network(), preprocessing=prepared(temperature=4.0), outputs="logits")
    raw = torch.tensor([[1.0, 3.0, -2.0]])
    assert torch.equal(scaled.logits(raw), raw / 4)
    assert torch.equal(scaled.raw(PIXELS), of_module(network()).raw(PIXELS))


def test_a_temperature_of_other_outputs_is_refused():
    preprocessing = prepared(temperature=2.5)
    detected = of_module(network(), preprocessing=preprocessing)
    detected.outputs = "sigmoids"
    stated = message(of_module, network(), preprocessing=preprocessing, stated_outputs="sigmoids")
    assert stated == message(detected.logits, torch.rand(2, 3))
    assert stated == (
        "zoo:net: temperature divides logits, and this model's outputs are sigmoids, got 2.5 from a test. "
        "Allowed: a model with logits. Remove temperature, or state outputs: logits if they are."
    )


class Failing(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def forward(self, x):
        raise self.error


class TextlessError(Exception):
    def __str__(self):
        raise ValueError


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (SystemExit(0), "SystemExit: 0"),
        (pytest.skip.Exception("not today"), "Skipped: not today"),
        (pytest.exit.Exception("enough"), "Exit: enough"),
        (pytest.fail.Exception("no"), "Failed: no"),
        (BaseException("odd"), "BaseException: odd"),
        (GeneratorExit(), "GeneratorExit"),
        (OSError(" "), "OSError"),
        (ValueError("no such layer\nmore"), "ValueError: no such layer"),
        (TextlessError(), "TextlessError"),
        (ValueError("a\x1b[31m\ud800 b"), r"ValueError: a\x1b[31m\ud800 b"),
        (ValueError("x" * 400), f"ValueError: {'x' * 150}…{'x' * 149}"),
    ],
)
def test_a_model_ends_no_run_and_skips_no_demand(error, shown):
    text = message(of_module(Failing(error)).raw, PIXELS)
    assert text == f"zoo:net: the model fails on a batch of 4 images of 3×8×8: {shown}"


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        torch.OutOfMemoryError("full"),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory: …"),
        RuntimeError("MPS backend out of memory"),
        ArithmeticError("[ONNXRuntimeError] : 6 : Failed to allocate memory for 4 bytes"),
        RuntimeError("The following operation failed in the TorchScript interpreter.\nCUDA out of memory"),
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported asynchronously"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
)
def test_lack_of_memory_and_ctrl_c_are_passed_on(error):
    kind = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else torch.OutOfMemoryError
    with pytest.raises(kind):
        of_module(Failing(error)).raw(PIXELS)


def test_a_layer_too_large_for_the_memory():
    huge = nn.Module()
    huge.forward = lambda _: torch.empty(2**62, dtype=torch.uint8)
    with pytest.raises(torch.OutOfMemoryError):
        of_module(huge).raw(PIXELS)


def convolution():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 6 * 6, 3)).requires_grad_(False)


def test_channels_last_inputs_meet_channels_last_weights_and_gradients_pass():
    seen = []
    loaded = of_module(convolution())
    plain = loaded.raw(PIXELS)
    loaded.module[0].register_forward_pre_hook(lambda _, args: seen.append(args[0].stride()))
    loaded.use(ComputeSettings(channels_last=True))
    assert torch.allclose(loaded.raw(PIXELS), plain, atol=1e-6)
    pixels = PIXELS.clone().requires_grad_()
    loaded.raw(pixels, exact=True).sum().backward()
    assert pixels.grad is not None
    assert pixels.grad.shape == PIXELS.shape
    assert seen == [(192, 1, 24, 3)] * 2
    assert not loaded.module[0].weight.is_contiguous()


def test_the_guard_follows_a_change_of_settings_and_still_finds_changes():
    loaded = of_module(convolution(), checksum="")
    guard = loaded.guard()
    assert loaded.guard() is guard
    loaded.use(ComputeSettings(channels_last=True))
    loaded.guard().check("clean")
    loaded.guard().check_state()
    loaded.module[0].weight.add_(1)
    text = message(loaded.guard().check, "clean")
    assert text.startswith("clean: the model's tensor '0.weight' changed")


def test_settings_tried_out_leave_no_trace():
    loaded = of_module(convolution())
    plain = loaded.raw(PIXELS)
    weight = loaded.module[0].weight.data_ptr()
    loaded.guard()
    loaded.try_out(ComputeSettings("bf16", channels_last=True))
    assert not torch.equal(loaded.raw(PIXELS), plain)
    loaded.use(PLAIN)
    assert torch.equal(loaded.raw(PIXELS), plain)
    assert loaded.module[0].weight.data_ptr() == weight
    loaded.guard().check("clean")


@pytest.mark.parametrize("takes_over", ["a copy", "settings"])
def test_classifiers_of_one_module_change_its_format_in_turn(takes_over: str) -> None:
    first = of_module(convolution())
    second = replace(first)
    second.try_out(ComputeSettings(channels_last=True))
    second.try_out(PLAIN)
    first.use(ComputeSettings(channels_last=True))
    if takes_over == "a copy":
        second = replace(first)
    else:
        second.follow(first)
    second.use(PLAIN)
    assert first.module[0].weight.is_contiguous()


def test_compiled_passes_are_those_without_gradients(monkeypatch):
    sizes = []

    def compiled(module):
        return lambda x: sizes.append(len(x)) or module(x) + 1

    monkeypatch.setattr(torch, "compile", compiled)
    loaded = of_module(network(), compute=ComputeSettings(runtime="compile"))
    plain = of_module(network()).raw(PIXELS)
    with torch.no_grad():
        assert torch.equal(loaded.raw(PIXELS), plain + 1)
        assert torch.equal(loaded.raw(PIXELS, exact=True), plain)
        single = loaded.raw(PIXELS[:1])
    assert torch.equal(loaded.raw(PIXELS), plain)
    assert torch.allclose(single, plain[:1] + 1)
    assert sizes == [4, 2]  # a batch of one image is doubled


def test_one_compilation_serves_all_batch_sizes(monkeypatch):
    """The compiler itself is left out; it takes a minute."""
    graphs = []

    def backend(graph, _):
        graphs.append(graph)
        return graph.forward

    torch.compiler.reset()  # other tests may have used up the compilations of the same code
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    loaded = of_module(convolution(), compute=ComputeSettings(runtime="compile"))
    plain = of_module(convolution())
    with torch.no_grad():
        for size in (3, 1, 4, 2, 3):
            inputs = PIXELS[:size].clone()
            assert torch.allclose(loaded.raw(inputs), plain.raw(inputs), atol=1e-6)
    assert len(graphs) == 1


def test_a_failing_compilation_names_the_option(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda _: Failing(RuntimeError("no C++ compiler\nsecond line")))
    loaded = of_module(network(), compute=ComputeSettings(runtime="compile"))
    with torch.no_grad():
        assert message(loaded.raw, PIXELS) == (
            "zoo:net: torch.compile fails (without it: --quba-runtime=torch): RuntimeError: no C++ compiler"
        )


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
    first = nn.Conv2d(2, 2, 3)
    second = nn.Conv2d(2, 2, 3)
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
