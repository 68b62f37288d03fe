"""TFLite models, run by LiteRT."""

from __future__ import annotations

import math
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from quba_check.errors import ModelError, extra_needed
from quba_check.models.errors import model_errors, quiet
from quba_check.models.loaded_module import LoadedModule, Weights, model_files
from quba_check.models.programs.runtime import Port, load_program
from quba_check.models.request import LoadRequest
from quba_check.models.specs import ModelSpec

PARAMETERS = (
    "parameters: elements of the weights in the TFLite file, in which converters fold layers together"
)

_IDENTIFIER = b"TFL3"
_INDEX_TYPES = ("INT32", "INT64", "UINT32", "UINT64")
"""Types of shapes, axes and indices; those with a scale are biases of quantised layers."""
_OTHER_TYPES = ("STRING", "BOOL", "RESOURCE", "VARIANT")


def load_tflite(spec: ModelSpec, request: LoadRequest) -> LoadedModule:
    """Load a TFLite file into LiteRT, which runs on the CPU.

    Of several outputs the one declared as (N, C) is used, else the first. Quantised inputs and outputs stand
    for real numbers by their scale and zero point.

    Args:
        spec: the model, a file.
        request: the suite's number of classes, and the requested precision.

    Raises:
        ModelError: the file cannot be used, LiteRT is not installed, or its input takes no batch of images.
    """
    with extra_needed(f"{spec.text}: a TFLite model", "ai-edge-litert", ModelError, extra="tflite"):
        from ai_edge_litert import schema_py_generated as schema
        from ai_edge_litert.interpreter import Interpreter
    files = model_files(spec.path)
    content = spec.path.read_bytes()
    if content[4:8] != _IDENTIFIER:
        raise ModelError("is not a TFLite file, or is damaged.", where=spec.text)
    runtime = f"ai-edge-litert {version('ai-edge-litert')}"
    with quiet(), model_errors(f"{runtime} cannot load it:", where=spec.text):
        # LiteRT checks the structure of the file, which is then read safely.
        interpreter = Interpreter(model_content=content, num_threads=torch.get_num_threads())
        graph = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))
        weights = _weights(graph)
        steps = _dequantised(graph)
    if any(tensor.externalBuffer for one in graph.subgraphs for tensor in one.tensors or ()):
        # Neither the digest nor the fingerprint would know them.
        allowed = "a TFLite file with its weights"
        raise ModelError("it keeps weights in another file", where=spec.text, allowed=allowed)
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    ports = [(_port(entry), entry) for entry in outputs]

    def run(number: int, images: Any) -> Any:
        if tuple(interpreter.get_input_details()[0]["shape"]) != images.shape:
            interpreter.resize_tensor_input(inputs[0]["index"], images.shape)
        interpreter.allocate_tensors()  # does nothing if the shape is that of before
        interpreter.set_tensor(inputs[0]["index"], images)
        interpreter.invoke()
        answers = interpreter.get_tensor(outputs[number]["index"])
        scale, zero_point = outputs[number]["quantization"]
        is_quantised = scale and answers.dtype.kind in "iu"
        return ((answers - float(zero_point)) * scale).astype(np.float32) if is_quantised else answers

    return load_program(
        spec,
        request,
        run,
        [_port(entry) for entry in inputs],
        [replace(port, scale=steps.get(entry["index"], port.scale)) for port, entry in ports],
        kind="a TFLite model",
        runtime=runtime,
        files=files,
        notes=[PARAMETERS],
        weights=weights,
    )


def _port(entry: dict[str, Any]) -> Port:
    """Return an input or output."""
    declared = entry["shape_signature"] if len(entry["shape_signature"]) else entry["shape"]
    scale, zero_point = entry["quantization"]
    return Port(entry["name"], entry["dtype"].__name__, tuple(declared.tolist()), float(scale), zero_point)


def _dequantised(model: Any) -> dict[int, float]:
    """Return the steps of the tensors that the graph dequantises, by their numbers."""
    from ai_edge_litert import schema_py_generated as schema

    # Older files have the code in the deprecated field alone.
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    graph, steps = model.subgraphs[0], {}
    for operator in graph.operators or ():
        if codes[operator.opcodeIndex] == schema.BuiltinOperator.DEQUANTIZE:
            scales = getattr(graph.tensors[operator.inputs[0]].quantization, "scale", None)
            if scales is not None and len(scales) == 1:
                steps[int(operator.outputs[0])] = float(scales[0])
    return steps


def _weights(model: Any) -> Weights:
    """Return number and bytes of the weights.

    Weights are the constant tensors of more than one element that hold floating-point or quantised numbers,
    in all subgraphs, each buffer once.
    """
    from ai_edge_litert import schema_py_generated as schema

    types = {number: name for name, number in vars(schema.TensorType).items() if name.isupper()}
    weights: dict[int, tuple[int, int]] = {}
    for tensor in (tensor for graph in model.subgraphs for tensor in graph.tensors or ()):
        buffer = model.buffers[tensor.buffer]
        size = buffer.size or (0 if buffer.data is None else len(buffer.data))
        name = types.get(tensor.type, "")
        scales = None if tensor.quantization is None else tensor.quantization.scale
        is_index = name in _INDEX_TYPES and (scales is None or not len(scales))
        count = math.prod(int(side) for side in tensor.shape) if tensor.shape is not None else 1
        if size and not is_index and name not in _OTHER_TYPES and count > 1:
            weights[tensor.buffer] = max((count, size), weights.get(tensor.buffer, (0, 0)))
    return Weights(sum(count for count, _ in weights.values()), sum(size for _, size in weights.values()))
