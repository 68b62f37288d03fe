"""TFLite files for tests, written without a converter."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

pytest.importorskip("ai_edge_litert")

import flatbuffers
import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema
from torch import Tensor, nn

Number = Literal["float32", "int8", "uint8"]
FREE = -1
_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "float16": schema.TensorType.FLOAT16,
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int32": schema.TensorType.INT32,
}
_OPTIONS = {
    "CONV_2D": ("Conv2DOptions", {"strideW": 1, "strideH": 1, "fusedActivationFunction": 1}),
    "MEAN": ("ReducerOptions", {}),
    "FULLY_CONNECTED": ("FullyConnectedOptions", {}),
    "TRANSPOSE": ("TransposeOptions", {}),
    "QUANTIZE": ("QuantizeOptions", {}),
    "DEQUANTIZE": ("DequantizeOptions", {}),
    "SOFTMAX": ("SoftmaxOptions", {"beta": 1.0}),
}


@dataclass
class TFLiteWriter:
    """Collects the tensors and operators of a graph, and writes them as a file."""

    tensors: list[Any] = field(default_factory=list)
    buffers: list[Any] = field(default_factory=lambda: [schema.BufferT()])
    operators: list[tuple[str, list[int], list[int]]] = field(default_factory=list)

    def tensor(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: str = "float32",
        data: np.ndarray | None = None,
        scale: tuple[float, int] | None = None,
    ) -> int:
        """Add a tensor, a constant one if it has data; return its number."""
        made = schema.TensorT()
        made.name = name
        made.type = _TYPES[dtype]
        made.shape = [1 if side == FREE else side for side in shape]
        if FREE in shape:
            made.shapeSignature = list(shape)
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = list(np.ascontiguousarray(data.astype(dtype)).tobytes())
            made.buffer = len(self.buffers)
            self.buffers.append(buffer)
        if scale is not None:
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale = [scale[0]]
            made.quantization.zeroPoint = [scale[1]]
        self.tensors.append(made)
        return len(self.tensors) - 1

    def operator(self, name: str, takes: list[int], gives: list[int]) -> None:
        """Add an operator."""
        self.operators.append((name, takes, gives))

    def write(self, path: Path, takes: list[int], gives: list[int]) -> Path:
        """Write the file with the numbers of its inputs and outputs."""
        model = schema.ModelT()
        graph = schema.SubGraphT()
        names = sorted({name for name, *_ in self.operators})
        model.operatorCodes = []
        for name in names:
            code = schema.OperatorCodeT()
            code.builtinCode = getattr(schema.BuiltinOperator, name)
            code.deprecatedBuiltinCode = min(code.builtinCode, 127)
            code.version = 3
            model.operatorCodes.append(code)
        graph.operators = []
        for name, inputs, outputs in self.operators:
            made = schema.OperatorT()
            made.opcodeIndex = names.index(name)
            made.inputs = inputs
            made.outputs = outputs
            kind, values = _OPTIONS[name]
            made.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            made.builtinOptions = getattr(schema, f"{kind}T")()
            for key, value in values.items():
                setattr(made.builtinOptions, key, value)
            graph.operators.append(made)
        graph.tensors = self.tensors
        graph.inputs = takes
        graph.outputs = gives
        model.version = 3
        model.subgraphs = [graph]
        model.buffers = self.buffers
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        path.write_bytes(bytes(builder.Output()))
        return path


def write_tflite(
    net: nn.Sequential,
    path: Path,
    *,
    numbers: Number = "float32",
    batch: int = FREE,
    side: int = 8,
    channels_last: bool = True,
    half_weights: bool = False,
    softmax: bool = False,
    float_output: bool = False,
) -> Path:
    """Write a network of convolution, ReLU, mean, and linear layer as a TFLite file.

    Args:
        net: `(Conv2d, ReLU, AdaptiveAvgPool2d(1), Flatten, Linear)`.
        path: the file.
        numbers: type of input and output; quantised files compute in int8.
        batch: number of images at a time.
        side: height and width.
        channels_last: input as (N, H, W, channels).
        half_weights: store float weights in 16 bits.
        softmax: end with a softmax.
        float_output: dequantise the output in the graph.
    """
    conv, _, _, _, linear = net
    colours = conv.in_channels
    sample = torch.randn(64, colours, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        hidden = conv(sample).relu()
        ranges = {"in": sample, "hidden": hidden, "mean": hidden.mean(dim=(2, 3)), "out": net(sample)}
    is_quantised = numbers != "float32"
    scales = {name: _scale(values) if is_quantised else None for name, values in ranges.items()}
    scales["mean"] = scales["hidden"]
    inner = "int8" if is_quantised else "float32"
    writer = TFLiteWriter()
    shape = (batch, side, side, colours) if channels_last else (batch, colours, side, side)
    first = writer.tensor("images", shape, numbers, scale=_moved(scales["in"], numbers))
    x = first
    if numbers == "uint8":
        x = writer.tensor("images8", shape, inner, scale=scales["in"])
        writer.operator("QUANTIZE", [first], [x])
    if not channels_last:
        order = writer.tensor("order", (4,), "int32", np.array([0, 2, 3, 1]))
        last = writer.tensor("last", (batch, side, side, colours), inner, scale=scales["in"])
        writer.operator("TRANSPOSE", [x, order], [last])
        x = last

    def constant(name: str, values: Tensor, incoming: tuple[float, int] | None) -> tuple[int, float]:
        array = values.detach().numpy()
        if incoming is None and half_weights:
            stored = writer.tensor(f"{name}16", array.shape, "float16", array)
            number = writer.tensor(name, array.shape)
            writer.operator("DEQUANTIZE", [stored], [number])
            return number, 0.0
        if incoming is None:
            return writer.tensor(name, array.shape, "float32", array), 0.0
        if array.ndim == 1:
            step = incoming[0]
            return writer.tensor(name, array.shape, "int32", np.round(array / step), (step, 0)), step
        step = float(np.abs(array).max()) / 127
        return writer.tensor(name, array.shape, "int8", np.round(array / step), (step, 0)), step

    def layer(kind: str, x: int, name: str, weight: Tensor, bias: Tensor, gives: int, incoming: str) -> None:
        scale = scales[incoming]
        w, step = constant(f"{name}.weight", weight, scale)
        b, _ = constant(f"{name}.bias", bias, None if scale is None else (scale[0] * step, 0))
        writer.operator(kind, [x, w, b], [gives])

    channels = conv.out_channels
    classes = linear.out_features
    h = writer.tensor("hidden", (batch, side, side, channels), inner, scale=scales["hidden"])
    layer("CONV_2D", x, "conv", conv.weight.permute(0, 2, 3, 1), conv.bias, h, "in")
    axes = writer.tensor("axes", (2,), "int32", np.array([1, 2]))
    mean = writer.tensor("mean", (batch, channels), inner, scale=scales["mean"])
    writer.operator("MEAN", [h, axes], [mean])
    out = writer.tensor("logits", (batch, classes), inner, scale=scales["out"])
    layer("FULLY_CONNECTED", mean, "linear", linear.weight, linear.bias, out, "mean")
    if softmax:
        scales["out"] = scales["out"] and (1 / 256, -128)  # as the operator demands
        probabilities = writer.tensor("probabilities", (batch, classes), inner, scale=scales["out"])
        writer.operator("SOFTMAX", [out], [probabilities])
        out = probabilities
    if float_output or numbers == "uint8":
        scale = None if float_output else _moved(scales["out"], numbers)
        final = writer.tensor("final", (batch, classes), "float32" if float_output else numbers, scale=scale)
        writer.operator("DEQUANTIZE" if float_output else "QUANTIZE", [out], [final])
        out = final
    return writer.write(path, [first], [out])


def _scale(values: Tensor) -> tuple[float, int]:
    """Return scale and zero point of int8 numbers for the range of values."""
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    step = (high - low) / 255
    return step, round(-128 - low / step)


def _moved(scale: tuple[float, int] | None, numbers: Number) -> tuple[float, int] | None:
    return scale if scale is None or numbers != "uint8" else (scale[0], scale[1] + 128)
