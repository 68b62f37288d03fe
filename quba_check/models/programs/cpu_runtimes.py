"""Programs that run on the CPU: TFLite files, and OpenVINO files in the IR format."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from quba_check.errors import ModelError, extra_needed
from quba_check.models.errors import model_errors, quiet
from quba_check.models.loaded_module import LoadedModule, Weights, model_files
from quba_check.models.programs.metadata import exported_config, openvino_metadata, tflite_configs
from quba_check.models.programs.runtime import Graph, Port, load_program
from quba_check.models.programs.transformers_configs import configs_of_export
from quba_check.models.request import LoadRequest
from quba_check.models.runtimes import compile_openvino
from quba_check.models.specs import ModelSpec

FOLDED = "parameters: elements of the weights in the {} file, in which converters fold layers together"

_TFLITE_INDICES = ("INT32", "INT64", "UINT32", "UINT64")
"""Types of shapes, axes and indices; those with a scale are biases of quantised layers."""
_TFLITE_OTHERS = ("STRING", "BOOL", "RESOURCE", "VARIANT")
_OPENVINO_INTEGERS = ("i16", "i32", "i64", "u16", "u32", "u64", "boolean", "string")
"""Types of shapes, axes and indices; in arithmetic they are quantised weights and biases."""
_OPENVINO_ARITHMETIC = ("Add", "Convert", "Convolution", "GroupConvolution", "MatMul", "Multiply", "Subtract")
_OPENVINO_RANGE = ("FakeQuantize", True)
"""Use of a constant as a range, which is an input after the first."""
_OPENVINO_BODIES = ("If", "Loop", "TensorIterator")
"""Operators with graphs of their own, whose constants the API does not list."""


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
    if content[4:8] != b"TFL3":
        raise ModelError("is not a TFLite file, or is damaged.", where=spec.text)
    libraries = {"ai-edge-litert": version("ai-edge-litert")}
    runtime = f"ai-edge-litert {libraries['ai-edge-litert']}"
    with quiet(), model_errors(f"{runtime} cannot load it:", where=spec.text):
        # LiteRT checks the structure of the file, which is then read safely.
        interpreter = Interpreter(model_content=content, num_threads=torch.get_num_threads())
        graph = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))
        weights = _tflite_weights(graph, schema)
        steps = _tflite_steps(graph, schema)
        buffers = {entry.name: graph.buffers[entry.buffer].data for entry in graph.metadata or ()}
    if any(tensor.externalBuffer for subgraph in graph.subgraphs for tensor in subgraph.tensors or ()):
        # Neither the digest nor the fingerprint would know them.
        allowed = "a TFLite file with its weights"
        raise ModelError("it keeps weights in another file", where=spec.text, allowed=allowed)
    program = Graph(
        _tflite_run(interpreter),
        [_tflite_port(entry, steps) for entry in interpreter.get_input_details()],
        [_tflite_port(entry, steps) for entry in interpreter.get_output_details()],
        kind="a TFLite model",
        runtime=runtime,
        files=files,
        metadata=tflite_configs(content, bytes(buffers.get(b"TFLITE_METADATA", b"")), spec.text),
    )
    notes = [FOLDED.format("TFLite")]
    return load_program(spec, request, program, notes, weights=weights, libraries=libraries)


def _tflite_run(interpreter: Any) -> Callable[[int, Any], Any]:
    """Return the function from the number of an output and images to the output."""
    inputs = interpreter.get_input_details()
    outputs = interpreter.get_output_details()

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

    return run


def _tflite_port(entry: dict[str, Any], steps: Mapping[int, float]) -> Port:
    """Return an input or output."""
    declared = entry["shape_signature"] if len(entry["shape_signature"]) else entry["shape"]
    scale, zero_point = entry["quantization"]
    step = steps.get(entry["index"], float(scale))
    return Port(entry["name"], entry["dtype"].__name__, tuple(declared.tolist()), step, zero_point)


def _tflite_steps(model: Any, schema: Any) -> dict[int, float]:
    """Return the steps of the tensors that the graph dequantises, by their numbers."""
    # Older files have the code in the deprecated field alone.
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    graph = model.subgraphs[0]
    steps = {}
    for operator in graph.operators or ():
        if codes[operator.opcodeIndex] == schema.BuiltinOperator.DEQUANTIZE:
            scales = getattr(graph.tensors[operator.inputs[0]].quantization, "scale", None)
            if scales is not None and len(scales) == 1:
                steps[int(operator.outputs[0])] = float(scales[0])
    return steps


def _tflite_weights(model: Any, schema: Any) -> Weights:
    """Return number and bytes of the weights.

    Weights are the constant tensors of more than one element that hold floating-point or quantised numbers,
    in all subgraphs, each buffer once.
    """
    types = {number: name for name, number in vars(schema.TensorType).items() if name.isupper()}
    weights: dict[int, tuple[int, int]] = {}
    for tensor in (tensor for graph in model.subgraphs for tensor in graph.tensors or ()):
        buffer = model.buffers[tensor.buffer]
        size = buffer.size or (0 if buffer.data is None else len(buffer.data))
        name = types.get(tensor.type, "")
        scales = None if tensor.quantization is None else tensor.quantization.scale
        is_index = name in _TFLITE_INDICES and (scales is None or not len(scales))
        count = math.prod(int(side) for side in tensor.shape) if tensor.shape is not None else 1
        if size and not is_index and name not in _TFLITE_OTHERS and count > 1:
            weights[tensor.buffer] = max((count, size), weights.get(tensor.buffer, (0, 0)))
    return Weights(sum(count for count, _ in weights.values()), sum(size for _, size in weights.values()))


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
        got = f"no file {weights.name} next to it"
        hint = "Copy both files of the model into one folder."
        raise ModelError("its weights are missing", where=spec.text, got=got, hint=hint)
    files = model_files(spec.path, weights)
    libraries = {"openvino": openvino.__version__.partition("-")[0]}
    runtime = f"openvino {libraries['openvino']}"
    if b"<net" not in spec.path.read_bytes()[:2000]:
        raise ModelError("is not an OpenVINO model, or is damaged.", where=spec.text)
    with quiet(), model_errors(f"{runtime} cannot load it:", where=spec.text):
        model = openvino.Core().read_model(spec.path, weights)
        compiled = compile_openvino(model)
        counted = _openvino_weights(model, files[1].size)
        metadata = openvino_metadata(model, spec.path)
    infer = compiled.create_infer_request()
    graph = Graph(
        lambda number, images: infer.infer([images])[compiled.outputs[number]],
        [_openvino_port(entry) for entry in compiled.inputs],
        list(map(_openvino_port, compiled.outputs, map(_openvino_step, model.outputs))),
        kind="an OpenVINO model",
        runtime=runtime,
        files=files,
        mapped=files,
        metadata=(*configs_of_export(spec, request), *exported_config(metadata, spec.text)),
    )
    return load_program(
        spec,
        request,
        graph,
        [FOLDED.format("OpenVINO")],
        weights=counted,
        takes_single_images=_openvino_depends_on_batch(model),
        libraries=libraries,
    )


def _openvino_port(entry: Any, step: float = 0.0) -> Port:
    """Return an input or output."""
    shape = entry.partial_shape
    name = min(entry.names, default=entry.node.friendly_name)
    sides = () if shape.rank.is_dynamic else [-1 if side.is_dynamic else side.get_length() for side in shape]
    return Port(str(name), entry.element_type.get_type_name(), tuple(sides), step)


def _openvino_step(output: Any) -> float:
    """Return the step of an output that FakeQuantize rounds, 0 for others."""
    node = output.node.input_value(0).get_node()
    if node.get_type_name() != "FakeQuantize":
        return 0.0
    low, high = (node.input_value(place).get_node().get_vector() for place in (3, 4))
    return float(high[0] - low[0]) / (node.get_attributes()["levels"] - 1) if len(low) == 1 else 0.0


def _openvino_weights(model: Any, size: int) -> Weights:
    """Return the weights of a graph with a file of `size` bytes.

    Weights are the constants of more than one element that hold floating-point numbers or integers of 8 bits
    and less, except the ranges of FakeQuantize, and wider integers in arithmetic, such as quantised biases.
    """
    total = 0
    for node in model.get_ops():
        name = node.get_type_name()
        output = node.output(0)
        if name in _OPENVINO_BODIES:
            return Weights(
                0, size, f"the OpenVINO file has the operator {name}, whose weights cannot be counted"
            )
        if name == "Constant":
            is_wide = output.element_type.get_type_name() in _OPENVINO_INTEGERS
            uses = [(use.get_node().get_type_name(), use.get_index()) for use in output.get_target_inputs()]
            is_used = [
                user in _OPENVINO_ARITHMETIC if is_wide else (user, place > 0) != _OPENVINO_RANGE
                for user, place in uses
            ]
            count = math.prod(output.shape)
            total += count if any(is_used) and count > 1 else 0
    return Weights(total, size)


def _openvino_depends_on_batch(model: Any) -> bool:
    """Return True if a graph takes the largest or smallest value of a whole batch.

    Dynamic quantisation does so.
    """
    reductions = (node for node in model.get_ops() if node.get_type_name() in ("ReduceMax", "ReduceMin"))
    axes = (node.input_value(1).get_node() for node in reductions)
    return any(node.get_type_name() == "Constant" and 0 in node.get_data() for node in axes)
