"""From an ONNX file to a network that runs in onnxruntime."""

from __future__ import annotations

import torch

from quba_check.errors import ModelError
from quba_check.models.network import LoadedModule, LoadRequest
from quba_check.models.preprocessing.config import PreprocessingConfig
from quba_check.models.programs.onnx_graph import read_graph
from quba_check.models.programs.onnx_runtime import OnnxProgram, program
from quba_check.models.specs import ModelSpec

NO_GRADIENT = "an ONNX model gives no gradients, which FGSM and PGD need"
PARAMETERS = "parameters: elements of the weights in the ONNX graph, in which exporters fold layers together"


def onnx_network(spec: ModelSpec, how: LoadRequest, device: torch.device) -> LoadedModule:
    """The network of an ONNX file.

    Args:
        spec: names the file.
        how: the suite's number of classes, and what device and precision were asked for.
        device: where it should run. Without a CUDA provider that works, `auto` falls back to the CPU.

    Raises:
        ModelError: the file cannot be used, its packages are not installed, or the device that was asked for
            by name cannot run it.
    """
    graph = read_graph(spec.path, spec=spec.text)
    module, notes = program(spec.path, graph, spec=spec.text, classes=how.classes, device=device)
    notes = (PARAMETERS, *notes)
    found = module.runs_on(device)
    if found != device:
        notes += (_moved(spec, how, module),)
    if how.precision not in ("auto", "fp32"):
        notes += (f"{spec.text} computes in the precision of its file, not in {how.precision}",)
    size = module.takes.size
    stated = (PreprocessingConfig({"input_size": (3, *size)}, f"the input of {spec.text}"),) if size else ()
    return LoadedModule(
        module,
        configs=stated,
        notes=notes,
        parameters=graph.parameters,
        device=found,
        precision="fp32",
        no_gradient=NO_GRADIENT,
    )


def _moved(spec: ModelSpec, how: LoadRequest, module: OnnxProgram) -> str:
    """What is said of a model that runs on the CPU though there is a GPU.

    Raises:
        ModelError: the GPU was asked for by name.
    """
    if how.device != "auto":
        raise ModelError(
            f"{spec.text}: {module.runtime} cannot run it on {how.device}. "
            "Install onnxruntime-gpu for CUDA, or give --quba-device=cpu."
        )
    return f"{spec.text} runs on the CPU: {module.runtime} has no CUDA provider that works here"
