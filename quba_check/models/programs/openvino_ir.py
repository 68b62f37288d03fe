"""OpenVINO models in the IR format, run on the CPU."""

from __future__ import annotations

import math
from typing import Any

import torch

from quba_check.errors import ModelError
from quba_check.models.classifier import model_errors
from quba_check.models.loaded_module import LoadedModule, extra_needed, quiet
from quba_check.models.model_files import model_files
from quba_check.models.programs.runtime import Port, load_program
from quba_check.models.request import LoadRequest
from quba_check.models.specs import ModelSpec

PARAMETERS = (
    "parameters: elements of the weights in the OpenVINO file, in which converters fold layers together"
)

_WIDE = ("i16", "i32", "i64", "u16", "u32", "u64", "boolean", "string")
"""Types of shapes, axes and indices, and of quantised biases."""
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
    with extra_needed(f"{spec.text}: an OpenVINO model", "openvino", extra="openvino"):
        import openvino
    weights = spec.path.with_suffix(".bin")
    if not weights.is_file():
        raise ModelError(
            f"{spec.text}: its weights are missing, got no file {weights.name} next to it. "
            "Copy both files of the model into one folder."
        )
    files = model_files(spec.path, weights)
    runtime = f"openvino {openvino.__version__.partition('-')[0]}"
    if b"<net" not in spec.path.read_bytes()[:2000]:
        raise ModelError(f"{spec.text}: is not an OpenVINO model, or is damaged.")
    with quiet(), model_errors(f"{spec.text}: {runtime} cannot load it:"):
        core = openvino.Core()
        model = core.read_model(spec.path, weights)
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "EXECUTION_MODE_HINT": "ACCURACY",  # no dynamic quantisation of layers that the file has in float
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "NUM_STREAMS": 1,
        }
        compiled = core.compile_model(model, "CPU", settings)
        parameters, uncounted = _parameters(model)
    infer = compiled.create_infer_request()
    return load_program(
        spec,
        request,
        lambda number, images: infer.infer([images])[compiled.outputs[number]],
        [_port(entry) for entry in compiled.inputs],
        [_port(entry) for entry in compiled.outputs],
        kind="an OpenVINO model",
        runtime=runtime,
        files=files,
        mapped=files,
        notes=[PARAMETERS],
        parameters=parameters,
        uncounted=uncounted,
    )


def _port(entry: Any) -> Port:
    """Return an input or output."""
    shape, name = entry.partial_shape, min(entry.names, default=entry.node.friendly_name)
    sides = () if shape.rank.is_dynamic else [-1 if side.is_dynamic else side.get_length() for side in shape]
    return Port(str(name), entry.element_type.get_type_name(), tuple(sides))


def _parameters(model: Any) -> tuple[int, str]:
    """Return the number of weights, and the reason if they cannot be counted.

    Weights are the constants of more than one element that hold floating-point numbers, integers of 8 bits
    and less, or quantised biases, which are integers converted to floating point; except the ranges of
    FakeQuantize.
    """
    total = 0
    for node in model.get_ops():
        if node.get_type_name() in _WITH_BODIES:
            return (
                0,
                f"the OpenVINO file has the operator {node.get_type_name()}, whose weights cannot be counted",
            )
        if node.get_type_name() == "Constant":
            count, uses = math.prod(node.output(0).shape), node.output(0).get_target_inputs()
            is_wide = node.output(0).element_type.get_type_name() in _WIDE
            is_weight = any(_becomes_float(use.get_node()) if is_wide else not _is_range(use) for use in uses)
            total += count if is_weight and count > 1 else 0
    return total, ""


def _becomes_float(node: Any) -> bool:
    return bool(node.get_type_name() == "Convert" and node.output(0).element_type.is_real())


def _is_range(use: Any) -> bool:
    return bool(use.get_node().get_type_name() == "FakeQuantize" and use.get_index() > 0)
