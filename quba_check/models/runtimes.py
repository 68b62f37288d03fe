"""Torch modules compiled for passes without gradients: by `torch.compile`, or by OpenVINO for a CPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn

from quba_check.errors import OptionError, extra_needed
from quba_check.models.choices import Runtime
from quba_check.models.errors import model_errors, quiet
from quba_check.models.identity.state import named_tensors
from quba_check.models.outputs import class_scores

Program = Callable[[Tensor], tuple[object, str]]
"""Returns the class scores of images, and their place in the outputs; see `outputs.class_scores`."""


@cache
def openvino_name() -> str:
    """Return OpenVINO with its version, for cache keys.

    Raises:
        OptionError: it is not installed.
    """
    with extra_needed("--quba-runtime=openvino", "openvino", OptionError, extra="openvino"):
        return f"openvino {version('openvino')}"  # its error is an ImportError


def compile_openvino(model: Any) -> Any:
    """Return an OpenVINO model compiled for the CPU; its floating-point layers compute in float32."""
    import openvino

    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "EXECUTION_MODE_HINT": "ACCURACY",  # no dynamic quantisation of floating-point layers
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "NUM_STREAMS": 1,
    }
    return openvino.Core().compile_model(model, "CPU", settings)


def compiled_program(runtime: Runtime, module: nn.Module, inputs: Tensor, spec: str) -> Program:
    """Return a module as a program for batches of any size.

    Args:
        runtime: `compile` or `openvino`.
        module: the module, in eval mode.
        inputs: images of its first batch, float32, (N, channels, H, W).
        spec: the model, for messages.

    Raises:
        ModelError: OpenVINO cannot run the module.
    """
    if runtime == "openvino":
        with quiet(), model_errors("OpenVINO cannot run it:"), torch.no_grad():
            return _openvino_program(module, inputs)
    compiled = torch.compile(module)

    def run(images: Tensor) -> tuple[object, str]:
        # A batch of one image, for which torch would compile again, is doubled.
        batch = images.repeat(2, 1, 1, 1) if len(images) == 1 else images
        torch._dynamo.maybe_mark_dynamic(batch, 0)
        with model_errors("torch.compile fails (without it: --quba-runtime=torch):", where=spec):
            scores, place = class_scores(compiled(batch))
        return scores[: len(images)] if isinstance(scores, Tensor) else scores, place

    return run


def _openvino_program(module: nn.Module, inputs: Tensor) -> Program:
    """Return a module as an OpenVINO program for CPUs.

    The conversion follows one pass over an example. A pass on tensors without values raises before if the
    module's operations depend on values. The program takes images in the memory format of `inputs`.
    """
    import openvino
    from openvino.preprocess import PrePostProcessor

    scores = _Scores(module)
    example = inputs[:1].repeat(2, 1, 1, 1)
    values = {name: tensor.to("meta") for name, tensor in named_tensors(scores).items()}
    torch.func.functional_call(scores, values, (example.to("meta"),))
    model = openvino.convert_model(scores, example_input=example)
    model.reshape([-1, *example.shape[1:]])
    is_last = inputs.is_contiguous(memory_format=torch.channels_last)
    layouts = PrePostProcessor(model)
    layouts.input().tensor().set_layout(openvino.Layout("NHWC" if is_last else "NCHW"))
    layouts.input().model().set_layout(openvino.Layout("NCHW"))
    compiled = compile_openvino(layouts.build())
    request = compiled.create_infer_request()

    def run(images: Tensor) -> tuple[object, str]:
        images = images.permute(0, 2, 3, 1) if is_last else images
        outputs = request.infer([images.contiguous().numpy()], share_inputs=True)
        return torch.from_numpy(outputs[compiled.outputs[0]]), scores.place

    return run


class _Scores(nn.Module):
    """The class scores of a module, without its other outputs."""

    place = ""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, images: Tensor) -> Any:
        scores, self.place = class_scores(self.module(images))
        return scores
