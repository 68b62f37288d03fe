"""The content of an ONNX file: weights are counted and digested, nothing is run."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quba_check.errors import ModelError
from quba_check.messages import needs
from quba_check.models.model_files import ModelFile, model_files

_WEIGHT_TYPES = frozenset({1, 2, 3, 10, 11, *range(14, 27)})
"""Of onnx.TensorProto.DataType: floating point of every width, complex numbers, and the integers of 8 bits
and less that weights are quantised to. Wider integers are shapes, axes and indices, and the biases of
quantised layers."""


_DYNAMIC = "DynamicQuantize"
"""Beginning of the operators whose scale depends on the whole batch: DynamicQuantizeLinear, and those of
onnxruntime into which it is merged."""


@dataclass(frozen=True, slots=True)
class OnnxGraph:
    """Properties of an ONNX file that are known without running it.

    Attributes:
        parameters: elements of the weights stored in the graph: floating-point and 8- to 2-bit tensors of
            more than one element, as initialisers, constants or attributes, dense or sparse, in subgraphs and
            functions too. Layers that the exporter folded into others do not count.
        contents: digest of the file and of the files with its external weights.
        files: these files, with the digests that the record states.
        depends_on_batch: True if values are quantised with a scale that depends on the whole batch.
    """

    parameters: int
    contents: bytes
    files: tuple[ModelFile, ...] = ()
    depends_on_batch: bool = False


def read_graph(path: Path, *, spec: str) -> OnnxGraph:
    """Read an ONNX file without loading its external weights.

    Args:
        path: an existing file.
        spec: the model's spec, for messages.

    Raises:
        ModelError: onnx is not installed, the file cannot be read or is not an ONNX file, or a file with
            external weights is missing or lies outside of its folder.
    """
    try:
        import onnx
    except ImportError as error:
        raise ModelError(f"{spec}: an ONNX model {needs('onnx', extra='onnx')}") from error
    first = model_files(path)
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # errors of protobuf, a dependency of onnx
        raise ModelError(f"{spec}: is not an ONNX file, or is damaged.") from error
    if not model.graph.output:
        raise ModelError(f"{spec}: is not an ONNX file, or is damaged.")
    values = [*_of_graph(model.graph)]
    for function in model.functions:
        values += [*_of_nodes(function.node), *_of_attributes(function.attribute_proto)]
    is_dynamic = [value.startswith(_DYNAMIC) for value in values if isinstance(value, str)]
    tensors = [value for value in values if not isinstance(value, int | str)]
    names = sorted(
        {entry.value for tensor in tensors for entry in tensor.external_data if entry.key == "location"}
    )
    for name in names:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ModelError(
                f"{spec}: keeps weights outside of its folder, got {name!r}. "
                "Allowed: files in the folder of the ONNX file. Save it again with onnx.save."
            )
    external = [path.parent / name for name in names]
    for file in external:
        if not file.is_file():
            raise ModelError(
                f"{spec}: the file that holds its weights is missing: looked for {file}. "
                "Put it next to the ONNX file, as it was when the file was written."
            )
    files = (*first, *model_files(*external))
    weights = [value for value in values if isinstance(value, int)]
    weights += [math.prod(tensor.dims) for tensor in tensors if tensor.data_type in _WEIGHT_TYPES]
    return OnnxGraph(
        sum(elements for elements in weights if elements > 1),
        hashlib.sha256("".join(file.sha256 for file in files).encode()).digest(),
        files,
        any(is_dynamic),
    )


def _of_graph(graph: Any) -> Iterator[Any]:
    """Yield the tensors stored in a graph."""
    yield from graph.initializer
    yield from (sparse.values for sparse in graph.sparse_initializer)
    yield from _of_nodes(graph.node)


def _of_nodes(nodes: Iterable[Any]) -> Iterator[Any]:
    """Yield operators of nodes, their tensors, and the lengths of their lists of floats."""
    for node in nodes:
        yield str(node.op_type)
        yield from _of_attributes(node.attribute)


def _of_attributes(attributes: Iterable[Any]) -> Iterator[Any]:
    for attribute in attributes:
        if attribute.HasField("t"):
            yield attribute.t
        if attribute.HasField("sparse_tensor"):
            yield attribute.sparse_tensor.values
        if attribute.HasField("g"):
            yield from _of_graph(attribute.g)
        yield from attribute.tensors
        yield from (sparse.values for sparse in attribute.sparse_tensors)
        yield len(attribute.floats)
        for graph in attribute.graphs:
            yield from _of_graph(graph)
