"""ONNX models, run by onnxruntime."""

from __future__ import annotations

from typing import Any

import torch

from quba_check.errors import ModelError, extra_needed
from quba_check.models.classifier import model_errors
from quba_check.models.loaded_module import LoadedModule, quiet
from quba_check.models.programs.onnx_graph import read_graph
from quba_check.models.programs.runtime import Port, load_program
from quba_check.models.request import PROVIDERS, LoadRequest
from quba_check.models.specs import ModelSpec

PARAMETERS = "parameters: elements of the weights in the ONNX graph, in which exporters fold layers together"

CUDA = "CUDAExecutionProvider"


def load_onnx(spec: ModelSpec, request: LoadRequest, device: torch.device) -> LoadedModule:
    """Load an ONNX file into onnxruntime.

    Of several outputs the one declared as (N, C) is used, else the first.

    Args:
        spec: the model, a file.
        request: the suite's number of classes, and the requested device and precision.
        device: where it should run. Without a working CUDA provider, `auto` falls back to the CPU.

    Raises:
        ModelError: the file cannot be used, its packages are not installed, its input takes no batch of
            images, or the device requested by name cannot run it.
    """
    graph = read_graph(spec.path, spec=spec.text)
    with extra_needed(f"{spec.text}: an ONNX model", "onnxruntime", ModelError, extra="onnx"):
        import onnxruntime
    runtime = f"onnxruntime {onnxruntime.__version__}"
    provider = PROVIDERS.get(request.device) or (CUDA if device.type == "cuda" else "")
    available = onnxruntime.get_available_providers()
    if request.device in PROVIDERS and provider not in available:
        raise ModelError(
            f"{spec.text}: {runtime} has no {provider}, which --quba-device={request.device} needs. "
            f"Installed: {', '.join(available)}. Install a build of onnxruntime with it."
        )
    with quiet(), model_errors(f"{runtime} cannot load it:", where=spec.text):
        session = _session(spec, provider, device)
    notes = [PARAMETERS]
    if provider and provider not in session.get_providers():
        if request.device != "auto":
            remedy = "Install onnxruntime-gpu for CUDA, or give --quba-device=cpu."
            if provider != CUDA:
                remedy = f"Its {provider} does not work here. Give --quba-device=cpu."
            raise ModelError(f"{runtime} cannot run it on {request.device}", where=spec.text, hint=remedy)
        notes.append(f"{spec.text} runs on the CPU: {runtime} has no CUDA provider that works here")
        provider = ""
    if provider not in ("", CUDA):  # rounds differently from the CPU, on which torch sees the model
        runtime += f" with {provider}"
        notes.append(f"{spec.text} runs in {runtime}")
    inputs, outputs = (
        [
            Port(entry.name, entry.type, tuple(entry.shape), graph.steps.get(entry.name, 0.0))
            for entry in entries
        ]
        for entries in (session.get_inputs(), session.get_outputs())
    )
    return load_program(
        spec,
        request,
        lambda number, images: session.run([outputs[number].name], {inputs[0].name: images})[0],
        inputs,
        outputs,
        kind="an ONNX model",
        runtime=runtime,
        files=graph.files,
        mapped=graph.files[1:],
        notes=notes,
        parameters=graph.parameters,
        device=device if provider == CUDA else torch.device("cpu"),
        takes_single_images=graph.depends_on_batch,
        weight_bytes=graph.weight_bytes,
    )


def _session(spec: ModelSpec, provider: str, device: torch.device) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # Waiting threads would take the cores from the image loader.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.use_deterministic_compute = True
    options.log_severity_level = 3  # errors; they are raised as well
    # For deterministic results: float32 without TF32, and convolution algorithms chosen without timing them.
    exact = {"device_id": device.index or 0, "use_tf32": 0, "cudnn_conv_algo_search": "HEURISTIC"}
    providers = [(provider, exact) if provider == CUDA else provider] if provider else []
    return onnxruntime.InferenceSession(spec.path, options, providers=[*providers, "CPUExecutionProvider"])
