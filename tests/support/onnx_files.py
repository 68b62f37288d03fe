"""ONNX files for tests: networks exported by torch, and graphs built by hand."""

import contextlib
import io
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn


def colours(classes: int = 3) -> nn.Module:
    """A small network with a convolution and a BatchNorm that detects the colour of each class."""
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(4)
    norm.running_mean, norm.running_var = torch.rand(4), 0.5 + torch.rand(4)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        norm,
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, classes),
    )
    with torch.no_grad():
        net[0].weight[:3] += 2 * torch.eye(3)[:, :, None, None]
        net[5].weight[:3, :3] += 3 * torch.eye(3)
    return net.eval()


def plain(classes: int = 3, channels: int = 3) -> nn.Sequential:
    """The smallest network with a convolution that every runtime takes; 112 + 5 · classes parameters."""
    torch.manual_seed(0)
    conv = nn.Conv2d(channels, 4, 3, padding=1)
    linear = nn.Linear(4, classes)
    return nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear).eval()


EXPORTED: dict[object, bytes] = {}
"""The files of earlier exports: each takes seconds, and many tests ask for the same one."""


def export(
    net: nn.Module,
    path: Path,
    *,
    batch: int = 2,
    side: int = 8,
    fixed: bool = False,
    sample: torch.Tensor | None = None,
) -> Path:
    """Export by torch: for any number of images, or for `batch` at a time."""
    pytest.importorskip("onnx")
    images = torch.zeros(batch, 3, side, side) if sample is None else sample
    shapes = None if fixed else ({0: torch.export.Dim("images")},)
    state = b"".join(tensor.numpy().tobytes() for tensor in net.state_dict().values())
    network = (type(net), repr(net), state, images.shape, images.dtype, fixed)
    if network in EXPORTED:
        path.write_bytes(EXPORTED[network])
        return path
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # the exporter's own, about torch
        torch.onnx.export(net, (images,), path, dynamo=True, external_data=False, dynamic_shapes=shapes)
    EXPORTED[network] = path.read_bytes()
    return path


def to_openvino(path: Path, *, half: bool = False) -> Path:
    """Convert an ONNX file to an OpenVINO file next to it."""
    openvino: Any = pytest.importorskip("openvino")
    converted = path.with_suffix(".xml")
    openvino.save_model(openvino.convert_model(path), converted, compress_to_fp16=half)
    return converted


def mean_of_colours(
    path: Path,
    *,
    shape: Sequence[str | int] = ("n", 3, "h", "w"),
    kind: int = 1,
    extra_inputs: Iterable[str] = (),
    extra_outputs: Iterable[str] = (),
) -> Path:
    """A graph that answers with the mean of each colour channel, through an identity matrix of weights.

    `kind` is a number of `onnx.TensorProto`; 1 stands for float32.
    """
    onnx: Any = pytest.importorskip("onnx")
    helper = onnx.helper
    numpy_helper = onnx.numpy_helper
    weights = numpy_helper.from_array(
        torch.eye(3).numpy().astype(helper.tensor_dtype_to_np_dtype(kind)), "weights"
    )
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["means"], axes=[2, 3]),
        *(helper.make_node("Identity", ["means"], [name]) for name in extra_outputs),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
    ]
    inputs = [helper.make_tensor_value_info(name, kind, shape) for name in ("images", *extra_inputs)]
    outputs = [helper.make_tensor_value_info(name, kind, [shape[0], 3, 1, 1]) for name in extra_outputs]
    outputs.append(helper.make_tensor_value_info("logits", kind, [shape[0], 3]))
    graph = helper.make_graph(nodes, "colours", inputs, outputs, [weights])
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path
