"""The content of an ONNX file: weights are counted and digested, nothing is run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quba_check.errors import ModelError, extra_needed
from quba_check.models.model_files import ModelFile, model_files

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


@dataclass(frozen=True, slots=True)
class OnnxGraph:
    """Properties of an ONNX file that are known without running it.

    Attributes:
        parameters: elements of the weights stored in the graph: tensors of more than one element with
            floating-point numbers or integers of 8 bits or less or of 32, as initialisers, constants or
            attributes, dense or sparse, in subgraphs and functions too. Layers that the exporter folded into
            others do not count.
        files: the file and those with its external weights.
        depends_on_batch: True if values are quantised with a scale that depends on the whole batch.
        weight_bytes: bytes of all tensors and lists of floating-point numbers stored in the graph.
        steps: steps of the values that nodes dequantise, by their names.
    """

    parameters: int
    files: tuple[ModelFile, ...] = ()
    depends_on_batch: bool = False
    weight_bytes: int = 0
    steps: Mapping[str, float] = field(default_factory=dict)


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
        raise ModelError(f"{spec}: is not an ONNX file, or is damaged.")
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
                f"{spec}: keeps weights outside of its folder, got {name!r}. "
                "Allowed: files in the folder of the ONNX file. Save it again with onnx.save."
            )
    files = (*first, *model_files(*(path.parent / name for name in names)))
    return OnnxGraph(
        sum(count for count in (*counts, *lists) if count > 1),
        files,
        any(isinstance(part, onnx.NodeProto) and part.op_type.startswith(_DYNAMIC) for part in parts),
        bits // 8,
        _steps(model.graph),
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
