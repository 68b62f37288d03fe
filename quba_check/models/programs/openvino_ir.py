"""OpenVINO models in the IR format, run on the CPU."""

from __future__ import annotations

import hashlib
import math
from typing import Any

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
    "parameters: elements of the weights in the OpenVINO file, in which converters fold layers together"
)

_DTYPES = {"f32": torch.float32, "f16": torch.float16, "f64": torch.float64}
_NO_WEIGHTS = ("i16", "i32", "i64", "u16", "u32", "u64", "boolean", "string")
"""Types of shapes, axes and indices. Weights are floating point, or integers of 8 bits and less."""
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
    described = ", ".join(
        f"'{_name(entry)}' of {entry.element_type.get_type_name()} {entry.partial_shape}"
        for entry in compiled.inputs
    )
    dtype = _DTYPES.get(compiled.inputs[0].element_type.get_type_name()) if compiled.inputs else None
    takes = image_input([_shape(entry) for entry in compiled.inputs], dtype, described, spec.text)
    outputs = compiled.outputs
    names = [_name(entry) for entry in outputs]
    chosen, notes = choose_output(names, [_shape(entry) for entry in outputs], request.expected_head.size)
    infer = compiled.create_infer_request()
    program = RuntimeProgram(
        lambda images: infer.infer([images])[outputs[chosen]],
        takes,
        hashlib.sha256("".join(file.sha256 for file in files).encode()).digest(),
        runtime,
        names[chosen],
        files=files,  # OpenVINO maps the weights into memory
    )
    return loaded_program(
        program,
        spec,
        request,
        kind="an OpenVINO model",
        notes=(PARAMETERS, *notes),
        parameters=parameters,
        uncounted=uncounted,
        files=files,
    )


def _name(entry: Any) -> str:
    """Return the first name of an input or output, which may have none."""
    return str(min(entry.names, default=entry.node.friendly_name))


def _shape(entry: Any) -> list[int]:
    """Return the shape of an input or output, -1 for free sides; empty if the rank is free."""
    shape = entry.partial_shape
    return [] if shape.rank.is_dynamic else [-1 if side.is_dynamic else side.get_length() for side in shape]


def _parameters(model: Any) -> tuple[int, str]:
    """Return the number of weights in a graph, and the reason why they cannot be counted.

    Weights are the constants of more than one element that hold floating-point numbers or integers of 8 bits
    and less, except the ranges of FakeQuantize.
    """
    total = 0
    for node in model.get_ops():
        if node.get_type_name() in _WITH_BODIES:
            return 0, f"the OpenVINO file has a {node.get_type_name()}, whose weights cannot be counted"
        if node.get_type_name() != "Constant":
            continue
        count = math.prod(node.output(0).shape)
        is_number = node.output(0).element_type.get_type_name() not in _NO_WEIGHTS
        uses = [
            (user.get_node().get_type_name(), user.get_index()) for user in node.output(0).get_target_inputs()
        ]
        is_range = bool(uses) and all(kind == "FakeQuantize" and place > 0 for kind, place in uses)
        total += count if is_number and count > 1 and not is_range else 0
    return total, ""
