"""ONNX models, run by onnxruntime behind the face of a torch module."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from quba_check.errors import ModelError, listed, needs
from quba_check.models.programs.onnx_graph import OnnxGraph

CUDA = "CUDAExecutionProvider"
_DTYPES = {
    "tensor(float)": torch.float32,
    "tensor(float16)": torch.float16,
    "tensor(double)": torch.float64,
}
_PREAMBLE = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : (Load model from .* failed:)?")


@dataclass(frozen=True, slots=True)
class ImageInput:
    """The input of a graph that takes a batch of images.

    Attributes:
        name: its name in the graph.
        dtype: what its numbers are.
        batch: number of images that it is fixed to; None takes any.
        size: (height, width) that it is fixed to; None takes any.
    """

    name: str
    dtype: torch.dtype
    batch: int | None
    size: tuple[int, int] | None


class OnnxProgram(nn.Module):
    """An ONNX graph as a module: float32 images (N, 3, H, W) to float32 outputs, without gradients.

    A graph whose batch is fixed to B is given B images at a time; where fewer are left, black ones make them
    up and their answers are dropped.

    Args:
        session: the loaded graph.
        takes: its input.
        answers: name of the output that is read.
        graph: what the file holds; its digest is a buffer, so that whoever watches or compares modules by
            their tensors sees the file's content.
        runtime: which onnxruntime this is; another one may round differently.
        spec: the model's spec, for messages.
    """

    fingerprint_name: ClassVar[str] = "quba_check.models.onnx_program.OnnxProgram"
    contents: Tensor

    def __init__(
        self, session: Any, takes: ImageInput, answers: str, graph: OnnxGraph, runtime: str, spec: str
    ) -> None:
        super().__init__()
        self.runtime = runtime
        self.answers = answers
        self.takes = takes
        self.register_buffer("contents", torch.tensor(list(graph.contents), dtype=torch.uint8))
        self._session = session
        self._spec = spec

    def forward(self, images: Tensor) -> Any:
        """Outputs of the graph for normalised images."""
        size = tuple(images.shape[2:])
        fixed = self.takes.size
        if fixed is not None and size != fixed:
            raise ModelError(
                f"{self._spec}: its input is fixed to {fixed[0]} × {fixed[1]}, got images of "
                f"{size[0]} × {size[1]}. Allowed: input_size: [3, {fixed[0]}, {fixed[1]}]."
            )
        pixels = images.detach().to("cpu", self.takes.dtype).numpy()
        at_once = self.takes.batch or len(pixels)
        parts = [self._run(pixels[start : start + at_once]) for start in range(0, len(pixels), at_once)]
        if not all(isinstance(part, np.ndarray) for part in parts):
            return parts[0]
        return torch.from_numpy(np.concatenate(parts)).to(images.device)

    def runs_on(self, device: torch.device) -> torch.device:
        """Where onnxruntime runs the graph that was loaded for a device: there, or on the CPU."""
        return device if CUDA in self._session.get_providers() else torch.device("cpu")

    def _run(self, pixels: np.ndarray[Any, Any]) -> Any:
        lacking = (self.takes.batch or len(pixels)) - len(pixels)
        whole = np.pad(pixels, ((0, lacking), (0, 0), (0, 0), (0, 0))) if lacking else pixels
        try:
            (answer,) = self._session.run([self.answers], {self.takes.name: whole})
        except Exception as error:  # onnxruntime's errors share no base
            words = _words(error)
            if "Failed to allocate memory" in words:
                raise torch.OutOfMemoryError(words) from error
            shape = "×".join(map(str, whole.shape[1:]))
            raise ModelError(
                f"{self._spec}: onnxruntime fails on a batch of {len(whole)} images of {shape}: {words}"
            ) from error
        return answer[: len(pixels)] if lacking else answer


def program(
    path: Path, graph: OnnxGraph, *, spec: str, classes: int, device: torch.device
) -> tuple[OnnxProgram, tuple[str, ...]]:
    """Load a graph into onnxruntime.

    Args:
        path: the ONNX file.
        graph: what it holds.
        spec: the model's spec, for messages.
        classes: number C of classes of the suite.
        device: where it should run. Without a CUDA provider that works, onnxruntime runs it on the CPU.

    Returns:
        The module, and remarks for the record: which output is read where there are several (the one that is
        declared as (N, C), else the first), and a batch that is fixed.

    Raises:
        ModelError: onnxruntime is not installed or cannot load the graph, or its input takes no batch of
            images as (N, 3, H, W).
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ModelError(f"{spec}: an ONNX model {needs('onnxruntime', extra='onnx')}") from error
    runtime = f"onnxruntime {onnxruntime.__version__}"
    try:
        session = _session(path, device)
    except Exception as error:
        raise ModelError(f"{spec}: {runtime} cannot load it: {_words(error)}") from error
    takes = _image_input(session.get_inputs(), spec)
    outputs = session.get_outputs()
    answers = next((out.name for out in outputs if _is_table(out.shape, classes)), outputs[0].name)
    notes = []
    if len(outputs) > 1:
        notes.append(f"read is the output '{answers}' of {listed(out.name for out in outputs)}")
    if takes.batch is not None:
        notes.append(f"its batch size is fixed to {takes.batch}: images are shown to it so many at a time")
    return OnnxProgram(session, takes, answers, graph, runtime, spec), tuple(notes)


def _session(path: Path, device: torch.device) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # leave the cores to readers
    options.use_deterministic_compute = True
    options.log_severity_level = 3  # errors; they are raised as well
    # Float32 as float32, and convolutions by rule instead of by stopwatch: the same twice.
    exact = {"device_id": device.index or 0, "use_tf32": 0, "cudnn_conv_algo_search": "HEURISTIC"}
    providers = [(CUDA, exact)] if device.type == "cuda" else []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a provider that is not there: `runs_on` tells
        return onnxruntime.InferenceSession(path, options, providers=[*providers, "CPUExecutionProvider"])


def _image_input(inputs: Sequence[Any], spec: str) -> ImageInput:
    allowed = "Allowed: one input of float numbers, shaped (images, 3, height, width)."
    if len(inputs) != 1:
        raise ModelError(
            f"{spec}: the graph takes {len(inputs)} inputs ({listed(one.name for one in inputs)}). {allowed}"
        )
    (only,) = inputs
    if only.type not in _DTYPES:
        raise ModelError(
            f"{spec}: its input '{only.name}' takes no float numbers, got {only.type}. {allowed}"
        )
    # A graph that does not declare a shape at all has an empty one; what it takes shows when it runs.
    shape = only.shape or [None] * 4
    fixed = [side if isinstance(side, int) else None for side in shape]
    if len(shape) == 4 and fixed[3] == 3 and fixed[1] != 3:
        raise ModelError(
            f"{spec}: its input '{only.name}' has the channels last, got {_shape(shape)}. "
            "Allowed: channels first, (images, 3, height, width). Export it so, or put a Transpose before it."
        )
    if len(shape) != 4 or fixed[1] not in (3, None):
        raise ModelError(f"{spec}: its input '{only.name}' takes no images, got {_shape(shape)}. {allowed}")
    batch, _, height, width = fixed
    size = (height, width) if height is not None and width is not None else None
    return ImageInput(only.name, _DTYPES[only.type], batch, size)


def _is_table(shape: Sequence[Any], classes: int) -> bool:
    return len(shape) == 2 and shape[1] == classes


def _shape(shape: Sequence[Any]) -> str:
    return f"({', '.join(str(side) for side in shape)})"


def _words(error: Exception) -> str:
    """An error of onnxruntime on one line, without the codes that it begins with."""
    text = _PREAMBLE.sub("", str(error).strip())
    return " ".join(text.split()) or type(error).__name__
