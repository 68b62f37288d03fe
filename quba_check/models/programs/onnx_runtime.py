"""ONNX models, run by onnxruntime.

The weights are counted and digested in the file, before it is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from quba_check.errors import ModelError, extra_needed
from quba_check.models import compute
from quba_check.models.choices import PROVIDERS
from quba_check.models.errors import model_errors, quiet
from quba_check.models.loaded_module import LoadedModule, ModelFile, Weights, model_files
from quba_check.models.programs.metadata import exported_config
from quba_check.models.programs.runtime import Graph, Port, load_program
from quba_check.models.programs.transformers_configs import configs_of_export
from quba_check.models.request import LoadRequest
from quba_check.models.specs import ModelSpec

PARAMETERS = "parameters: elements of the weights in the ONNX graph, in which exporters fold layers together"
CUDA = "CUDAExecutionProvider"
_WEIGHT_TYPES = frozenset({1, 2, 3, 6, 10, 11, *range(14, 27)})
"""Of onnx.TensorProto.DataType: floating point of every width, complex numbers, the integers of 8 bits and
less that weights are quantised to, and those of 32 bits for the biases of quantised layers. Other integers
are shapes, axes and indices."""
_NARROW = {21: 4, 22: 4, 23: 4, 25: 2, 26: 2}
"""Bits of an element of the types that are narrower than a byte."""
_NO_NUMBERS = (0, 8)
"""Undefined, and text."""
_DYNAMIC = "DynamicQuantize"
"""Beginning of the operators whose scale depends on the whole batch: DynamicQuantizeLinear, and those of
onnxruntime into which it is merged."""


def load_onnx(spec: ModelSpec, request: LoadRequest) -> LoadedModule:
    """Load an ONNX file into onnxruntime.

    Of several outputs the one declared as (N, C) is used, else the first. Without a working CUDA provider,
    the device `auto` falls back to the CPU.

    Args:
        spec: the model, a file.
        request: the suite's number of classes, and the requested device and precision.

    Raises:
        ModelError: the file cannot be used, its packages are not installed, its input takes no batch of
            images, or the device requested by name cannot run it.
    """
    contents = read_graph(spec.path, spec=spec.text)
    with extra_needed(f"{spec.text}: an ONNX model", "onnxruntime", ModelError, extra="onnx"):
        import onnxruntime
    runtime = f"onnxruntime {onnxruntime.__version__}"
    device = compute.resolve_device(request.device, request.worker)
    session, provider = _session(spec, request.device, device)
    notes = [PARAMETERS]
    if device.type == "cuda" and not provider:
        notes.append(f"{spec.text} runs on the CPU: {runtime} has no CUDA provider that works here")
    if provider not in ("", CUDA):  # rounds differently from the CPU, on which torch sees the model
        runtime += f" with {provider}"
        notes.append(f"{spec.text} runs in {runtime}")
    inputs, outputs = (
        [
            Port(entry.name, entry.type, tuple(entry.shape), contents.steps.get(entry.name, 0.0))
            for entry in entries
        ]
        for entries in (session.get_inputs(), session.get_outputs())
    )
    graph = Graph(
        lambda number, images: session.run([outputs[number].name], {inputs[0].name: images})[0],
        inputs,
        outputs,
        kind="an ONNX model",
        runtime=runtime,
        files=contents.files,
        mapped=contents.files[1:],
        metadata=(*configs_of_export(spec, request), *exported_config(contents.metadata, spec.text)),
    )
    return load_program(
        spec,
        request,
        graph,
        notes,
        weights=contents.weights,
        device=device if provider == CUDA else torch.device("cpu"),
        takes_single_images=contents.depends_on_batch,
        libraries={"onnxruntime": onnxruntime.__version__},
    )


def _session(spec: ModelSpec, requested: str, device: torch.device) -> tuple[Any, str]:
    """Return the session of a file, and its provider; an empty one is the CPU.

    Raises:
        ModelError: the file cannot be loaded, or the device requested by name cannot run it.
    """
    import onnxruntime

    runtime = f"onnxruntime {onnxruntime.__version__}"
    provider = PROVIDERS.get(requested) or (CUDA if device.type == "cuda" else "")
    available = onnxruntime.get_available_providers()
    if requested in PROVIDERS and provider not in available:
        raise ModelError(
            f"{runtime} has no {provider}, which --quba-device={requested} needs",
            where=spec.text,
            hint=f"Installed: {', '.join(available)}. Install a build of onnxruntime with it.",
        )
    with quiet(), model_errors(f"{runtime} cannot load it:", where=spec.text):
        session = _open_session(spec, provider, device)
    if not provider or provider in session.get_providers():
        return session, provider
    if requested != "auto":
        remedy = "Install onnxruntime-gpu for CUDA, or give --quba-device=cpu."
        if provider != CUDA:
            remedy = f"Its {provider} does not work here. Give --quba-device=cpu."
        raise ModelError(f"{runtime} cannot run it on {requested}", where=spec.text, hint=remedy)
    return session, ""


def _open_session(spec: ModelSpec, provider: str, device: torch.device) -> Any:
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


class OnnxGraph(NamedTuple):
    """Properties of an ONNX file that are known without running it.

    Attributes:
        weights: elements of the weights stored in the graph: tensors of more than one element with
            floating-point numbers or integers of 8 bits or less or of 32, as initialisers, constants or
            attributes, dense or sparse, in subgraphs and functions too. Layers that the exporter folded into
            others do not count.
        files: the file and those with its external weights.
        depends_on_batch: True if values are quantised with a scale that depends on the whole batch.
        steps: steps of the values that nodes dequantise, by their names.
        metadata: texts that the exporter wrote, by their keys.
    """

    weights: Weights
    files: tuple[ModelFile, ...]
    depends_on_batch: bool
    steps: Mapping[str, float]
    metadata: Mapping[str, str]


def read_graph(path: Path, *, spec: str) -> OnnxGraph:
    """Read an ONNX file without loading its external weights.

    Args:
        path: an existing file.
        spec: the model's spec, for messages.

    Raises:
        ModelError: onnx is not installed, a file cannot be read, it is not an ONNX file, or its external
            weights lie outside of its folder.
    """
    with extra_needed(f"{spec}: an ONNX model", "onnx", ModelError, extra="onnx"):
        import onnx
    first = model_files(path)
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # errors of protobuf, a dependency of onnx
        raise ModelError("is not an ONNX file, or is damaged.", where=spec) from error
    if not model.graph.output:
        raise ModelError("is not an ONNX file, or is damaged.", where=spec)
    parts = [part for root in (model.graph, *model.functions) for part in _parts(root)]
    tensors = [part for part in parts if isinstance(part, onnx.TensorProto)]
    counts = [math.prod(tensor.dims) for tensor in tensors if tensor.data_type in _WEIGHT_TYPES]
    lists = [len(part.floats) for part in parts if isinstance(part, onnx.AttributeProto)]
    bits = sum(32 * count for count in lists) + sum(_bits(tensor) for tensor in tensors)
    names = sorted(
        {entry.value for tensor in tensors for entry in tensor.external_data if entry.key == "location"}
    )
    for name in names:
        if Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name:
            raise ModelError(
                "keeps weights outside of its folder",
                where=spec,
                got=f"{name!r}",
                allowed="files in the folder of the ONNX file",
                hint="Save it again with onnx.save.",
            )
    files = (*first, *model_files(*(path.parent / name for name in names)))
    return OnnxGraph(
        Weights(sum(count for count in (*counts, *lists) if count > 1), bits // 8),
        files,
        any(isinstance(part, onnx.NodeProto) and part.op_type.startswith(_DYNAMIC) for part in parts),
        _steps(model.graph),
        {entry.key: entry.value for entry in model.metadata_props},
    )


def _steps(graph: Any) -> dict[str, float]:
    """Return the steps of dequantised values by name, without those of several steps."""
    from onnx.numpy_helper import to_array

    stored = {tensor.name: tensor for tensor in graph.initializer if not tensor.external_data}
    nodes = [node for node in graph.node if node.op_type == "DequantizeLinear" and node.input[1] in stored]
    steps = {node.output[0]: to_array(stored[node.input[1]]) for node in nodes}
    return {name: float(step.item()) for name, step in steps.items() if step.size == 1}


def _bits(tensor: Any) -> int:
    """Return the number of bits of a tensor of a graph, 0 for texts."""
    from onnx.helper import tensor_dtype_to_np_dtype

    if tensor.data_type in _NO_NUMBERS:
        return 0
    width = _NARROW.get(tensor.data_type) or 8 * tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    return int(math.prod(tensor.dims) * width)


def _parts(message: Any) -> Iterator[Any]:
    """Yield a message of protobuf and all messages in it, such as nodes and tensors."""
    yield message
    for description, value in message.ListFields():
        if description.message_type is not None:
            for part in [value] if hasattr(value, "ListFields") else value:
                yield from _parts(part)
