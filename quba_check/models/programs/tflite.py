"""TFLite models, run by LiteRT."""

from __future__ import annotations

import math
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from quba_check.errors import ModelError
from quba_check.models.classifier import model_errors
from quba_check.models.loaded_module import LoadedModule, extra_needed, quiet
from quba_check.models.model_files import model_files
from quba_check.models.programs.runtime_program import (
    RuntimeProgram,
    choose_output,
    image_input,
    loaded_program,
)
from quba_check.models.request import LoadRequest
from quba_check.models.specs import ModelSpec

PARAMETERS = (
    "parameters: elements of the weights in the TFLite file, in which converters fold layers together"
)

_DTYPES = {np.float32: torch.float32, np.int8: torch.int8, np.uint8: torch.uint8}
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
    with extra_needed(f"{spec.text}: a TFLite model", "ai-edge-litert", extra="tflite"):
        from ai_edge_litert.interpreter import Interpreter
    files = model_files(spec.path)
    content = spec.path.read_bytes()
    if content[4:8] != _IDENTIFIER:
        raise ModelError(f"{spec.text}: is not a TFLite file, or is damaged.")
    runtime = f"ai-edge-litert {version('ai-edge-litert')}"
    with quiet(), model_errors(f"{spec.text}: {runtime} cannot load it:"):
        # LiteRT checks the structure of the file, which is then read safely.
        interpreter = Interpreter(model_content=content, num_threads=torch.get_num_threads())
        parameters, uncounted = _parameters(content)
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    described = ", ".join(
        f"'{entry['name']}' of {entry['dtype'].__name__} {tuple(entry['shape_signature'].tolist())}"
        for entry in inputs
    )
    dtype = _DTYPES.get(inputs[0]["dtype"]) if inputs else None
    scale, zero_point = inputs[0]["quantization"] if inputs else (0.0, 0)
    if dtype is not torch.float32 and not scale:
        dtype = None
    takes = image_input([_shape(entry) for entry in inputs], dtype, described, spec.text)
    if dtype is not torch.float32:
        takes = replace(takes, scale=scale, zero_point=zero_point)
    chosen, notes = choose_output(
        [entry["name"] for entry in outputs], [_shape(entry) for entry in outputs], request.expected_head.size
    )
    program = RuntimeProgram(
        _Runner(interpreter, inputs[0], outputs[chosen]),
        takes,
        bytes.fromhex(files[0].sha256),
        runtime,
        outputs[chosen]["name"],
    )
    return loaded_program(
        program,
        spec,
        request,
        kind="a TFLite model",
        notes=(PARAMETERS, *notes),
        parameters=parameters,
        uncounted=uncounted,
        files=files,
    )


class _Runner:
    """Runs an interpreter on batches, whose size it changes where the model is free.

    Args:
        interpreter: the loaded model.
        takes: details of its input.
        answers: details of the output in use.
    """

    def __init__(self, interpreter: Any, takes: dict[str, Any], answers: dict[str, Any]) -> None:
        self._interpreter = interpreter
        self._takes = takes
        self._answers = answers
        self._shape: tuple[int, ...] = ()

    def __call__(self, images: Any) -> Any:
        """Return the outputs as real numbers."""
        index = self._takes["index"]
        if images.shape != self._shape:
            if tuple(self._takes["shape"]) != images.shape or self._shape:
                self._interpreter.resize_tensor_input(index, images.shape)
            self._interpreter.allocate_tensors()
            self._shape = images.shape
        self._interpreter.set_tensor(index, images)
        self._interpreter.invoke()
        answers = self._interpreter.get_tensor(self._answers["index"])
        scale, zero_point = self._answers["quantization"]
        if scale and answers.dtype.kind in "iu":
            return ((answers.astype(np.float64) - zero_point) * scale).astype(np.float32)
        return answers


def _shape(entry: dict[str, Any]) -> list[int]:
    """Return the shape of an input or output, -1 for free sides."""
    declared = entry["shape_signature"] if len(entry["shape_signature"]) else entry["shape"]
    return [int(side) for side in declared]


def _parameters(content: bytes) -> tuple[int, str]:
    """Return the number of weights in a file, and the reason why they cannot be counted.

    Weights are the constant tensors of more than one element that hold floating-point or quantised numbers,
    in all subgraphs, each buffer once.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))
    types = {number: name for name, number in vars(schema.TensorType).items() if name.isupper()}
    counts: dict[int, int] = {}
    for tensor in (tensor for graph in model.subgraphs for tensor in graph.tensors or ()):
        if tensor.externalBuffer:
            return 0, "the TFLite file keeps weights in another file, so they cannot be counted"
        buffer = model.buffers[tensor.buffer]
        is_constant = buffer.size > 0 or (buffer.data is not None and len(buffer.data) > 0)
        name = types.get(tensor.type, "")
        scales = None if tensor.quantization is None else tensor.quantization.scale
        is_index = name in _INDEX_TYPES and (scales is None or not len(scales))
        count = math.prod(int(side) for side in tensor.shape) if tensor.shape is not None else 1
        if is_constant and not is_index and name not in _OTHER_TYPES and count > 1:
            counts[tensor.buffer] = max(count, counts.get(tensor.buffer, 0))
    return sum(counts.values()), ""
