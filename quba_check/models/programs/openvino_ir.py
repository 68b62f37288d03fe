"""OpenVINO models in the IR format, run on the CPU."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch

from quba_check.errors import ModelError, extra_needed
from quba_check.models.errors import model_errors, quiet
from quba_check.models.loaded_module import LoadedModule, Weights, model_files
from quba_check.models.programs.runtime import Port, load_program
from quba_check.models.request import LoadRequest
from quba_check.models.specs import ModelSpec

PARAMETERS = (
    "parameters: elements of the weights in the OpenVINO file, in which converters fold layers together"
)

_WIDE = ("i16", "i32", "i64", "u16", "u32", "u64", "boolean", "string")
"""Types of shapes, axes and indices; in arithmetic they are quantised weights and biases."""
_ARITHMETIC = ("Add", "Convert", "Convolution", "GroupConvolution", "MatMul", "Multiply", "Subtract")
_RANGE = ("FakeQuantize", True)
"""Use of a constant as a range, which is an input after the first."""
_WITH_BODIES = ("If", "Loop", "TensorIterator")
"""Operators with graphs of their own, whose constants the API does not list."""


def load_openvino(spec: ModelSpec, request: LoadRequest) -> LoadedModule:
    """Load an OpenVINO file, with the `.bin` file of its weights next to it.

    Of several outputs the one declared as (N, C) is used, else the first. Floating-point layers compute in
    float32, quantised ones in the integers of the file.

    Args:
        spec: the model, an `.xml` file.
        request: the suite's number of classes, and the requested precision.

    Raises:
        ModelError: the files cannot be used, OpenVINO is not installed, or its input takes no batch of
            images.
    """
    with extra_needed(f"{spec.text}: an OpenVINO model", "openvino", ModelError, extra="openvino"):
        import openvino
    weights = spec.path.with_suffix(".bin")
    if not weights.is_file():
        got, hint = f"no file {weights.name} next to it", "Copy both files of the model into one folder."
        raise ModelError("its weights are missing", where=spec.text, got=got, hint=hint)
    files = model_files(spec.path, weights)
    runtime = f"openvino {openvino.__version__.partition('-')[0]}"
    if b"<net" not in spec.path.read_bytes()[:2000]:
        raise ModelError("is not an OpenVINO model, or is damaged.", where=spec.text)
    with quiet(), model_errors(f"{runtime} cannot load it:", where=spec.text):
        core = openvino.Core()
        model = core.read_model(spec.path, weights)
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "EXECUTION_MODE_HINT": "ACCURACY",  # no dynamic quantisation of layers that the file has in float
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "NUM_STREAMS": 1,
        }
        compiled = core.compile_model(model, "CPU", settings)
        counted = _weights(model, files[1].size)
    infer = compiled.create_infer_request()
    return load_program(
        spec,
        request,
        lambda number, images: infer.infer([images])[compiled.outputs[number]],
        [_port(entry) for entry in compiled.inputs],
        [
            replace(_port(entry), scale=_step(output))
            for entry, output in zip(compiled.outputs, model.outputs, strict=True)
        ],
        kind="an OpenVINO model",
        runtime=runtime,
        files=files,
        mapped=files,
        notes=[PARAMETERS],
        weights=counted,
        takes_single_images=_depends_on_batch(model),
    )


def _port(entry: Any) -> Port:
    """Return an input or output."""
    shape, name = entry.partial_shape, min(entry.names, default=entry.node.friendly_name)
    sides = () if shape.rank.is_dynamic else [-1 if side.is_dynamic else side.get_length() for side in shape]
    return Port(str(name), entry.element_type.get_type_name(), tuple(sides))


def _step(output: Any) -> float:
    """Return the step of an output that FakeQuantize rounds, 0 for others."""
    node = output.node.input_value(0).get_node()
    if node.get_type_name() != "FakeQuantize":
        return 0.0
    low, high = (node.input_value(place).get_node().get_vector() for place in (3, 4))
    return float(high[0] - low[0]) / (node.get_attributes()["levels"] - 1) if len(low) == 1 else 0.0


def _weights(model: Any, size: int) -> Weights:
    """Return the weights of a graph with a file of `size` bytes.

    Weights are the constants of more than one element that hold floating-point numbers or integers of 8 bits
    and less, except the ranges of FakeQuantize, and wider integers in arithmetic, such as quantised biases.
    """
    total = 0
    for node in model.get_ops():
        name, output = node.get_type_name(), node.output(0)
        if name in _WITH_BODIES:
            return Weights(
                0, size, f"the OpenVINO file has the operator {name}, whose weights cannot be counted"
            )
        if name == "Constant":
            is_wide = output.element_type.get_type_name() in _WIDE
            uses = [(use.get_node().get_type_name(), use.get_index()) for use in output.get_target_inputs()]
            is_used = [
                user in _ARITHMETIC if is_wide else (user, place > 0) != _RANGE for user, place in uses
            ]
            count = math.prod(output.shape)
            total += count if any(is_used) and count > 1 else 0
    return Weights(total, size)


def _depends_on_batch(model: Any) -> bool:
    """Return True if a graph takes the largest or smallest value of a whole batch.

    Dynamic quantisation does so.
    """
    reductions = (node for node in model.get_ops() if node.get_type_name() in ("ReduceMax", "ReduceMin"))
    axes = (node.input_value(1).get_node() for node in reductions)
    return any(node.get_type_name() == "Constant" and 0 in node.get_data() for node in axes)
