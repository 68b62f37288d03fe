"""Programs of other runtimes as torch modules: ONNX, TFLite, OpenVINO, functions on arrays."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from quba_check.errors import ModelError
from quba_check.messages import listed
from quba_check.models.loaded_module import LoadedModule, ModelFile, check_in_place
from quba_check.models.outputs import class_scores
from quba_check.models.preprocessing.config import PreprocessingConfig
from quba_check.models.request import LoadRequest
from quba_check.models.specs import ModelSpec

_FLOATS = dict.fromkeys(("tensor(float)", "float32", "f32"), torch.float32)
_FLOATS |= dict.fromkeys(("tensor(float16)", "float16", "f16"), torch.float16)
_FLOATS |= dict.fromkeys(("tensor(double)", "float64", "f64"), torch.float64)
NO_GRADIENT = "{} gives no gradients, which FGSM and PGD need"
LARGEST_STEP = 0.01
"""Largest step of quantised probabilities. That of logits, whose range is wider, is larger."""
_QUANTISED = {"int8": torch.int8, "uint8": torch.uint8}
_PIXELS = ("uint8", "u8", "tensor(uint8)")
_PIXEL_STEP = 1 / 255
AS_PIXELS = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
"""Normalisation that leaves pixels in [0, 1] as they are."""


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a program, as its file declares it.

    Attributes:
        name: its name.
        type: type of its numbers, as the runtime names it.
        shape: its shape; sides that are not integers of at least 0 are free. Empty if it is unknown.
        scale: step of quantised numbers, also of those that the program itself dequantises; 0 if they are
            not quantised.
        zero_point: the quantised number of 0.
    """

    name: str
    type: str
    shape: tuple[object, ...]
    scale: float = 0.0
    zero_point: int = 0


@dataclass(frozen=True, slots=True)
class ImageInput:
    """The input of a program that takes a batch of images.

    Attributes:
        dtype: type of its numbers.
        batch: number of images if fixed; None takes any.
        size: (height, width) in pixels if fixed; None takes any.
        is_channels_last: True for (N, H, W, channels), False for (N, channels, H, W).
        scale: step of a quantised input; a number x is given as round(x / scale) + zero_point. 0 if it is not
            quantised.
        zero_point: the quantised number of 0.
        channels: 3, or 1 for grey images.
    """

    dtype: torch.dtype = torch.float32
    batch: int | None = None
    size: tuple[int, int] | None = None
    is_channels_last: bool = False
    scale: float = 0.0
    zero_point: int = 0
    channels: int = 3

    @property
    def takes_pixels(self) -> bool:
        """True for uint8 pixels before normalisation."""
        return self.dtype == torch.uint8 and self.scale == _PIXEL_STEP

    @property
    def config(self) -> dict[str, Any]:
        """The preprocessing that the input states."""
        size = {"input_size": (self.channels, *self.size)} if self.size else {}
        return size | (AS_PIXELS if self.takes_pixels else {})

    def encode(self, images: Tensor) -> Tensor:
        """Convert normalised images to this input.

        Args:
            images: float32, (N, channels, H, W).
        """
        values = images.detach().cpu()
        if self.is_channels_last:
            values = values.permute(0, 2, 3, 1)
        if self.scale:
            limits = torch.iinfo(self.dtype)
            values = (values.double() / self.scale).round() + self.zero_point
            values = values.clamp(limits.min, limits.max)
        return values.to(self.dtype).contiguous()


def in_portions(run: Callable[[Tensor], Any], images: Tensor, least: int, most: int | None) -> Any:
    """Return the outputs of a program with a limited batch size.

    A portion that is too small is filled up with copies of its last image, whose answers are dropped.

    Args:
        run: the program.
        images: any number of images.
        least: smallest number of images at a time.
        most: largest number; None if there is no limit.
    """
    answers: list[Any] = []
    for portion in torch.split(images, most or len(images)):
        n_missing = least - len(portion)
        if n_missing > 0:
            filled = torch.cat([portion, portion[-1:].expand(n_missing, *portion.shape[1:])])
            scores, _ = class_scores(run(filled))
            answers.append(scores[: len(portion)] if isinstance(scores, Tensor) else scores)
        else:
            answers.append(class_scores(run(portion))[0])
    is_table = all(isinstance(answer, Tensor) for answer in answers)
    return torch.cat(answers) if is_table and len(answers) > 1 else answers[0]


class RuntimeProgram(nn.Module):
    """A program that another runtime runs, as a module without gradients.

    It maps float32 images (N, channels, H, W) to the outputs of the program. A program with a batch fixed to
    B gets B images at a time.

    Args:
        run: returns the outputs for an array of images in the form of `takes`.
        takes: its input.
        contents: digest of its files, a buffer, so that it enters the fingerprint and the guard's checks like
            any tensor.
        runtime: name and version of the runtime; another version may round differently.
        answers: name of the output in use.
        files: files that the runtime still reads while it runs.
    """

    fingerprint_name: ClassVar[str] = "quba_check.models.onnx_program.OnnxProgram"
    contents: Tensor

    def __init__(
        self,
        run: Callable[[Any], Any],
        takes: ImageInput,
        contents: bytes,
        runtime: str,
        answers: str = "",
        files: Sequence[ModelFile] = (),
    ) -> None:
        super().__init__()
        self.runtime = runtime
        self.answers = answers
        self.takes = takes
        self.register_buffer("contents", torch.tensor(list(contents), dtype=torch.uint8))
        self._run = run
        self._files = tuple(files)

    def _get_name(self) -> str:
        """Return the name in the printed form, which enters the fingerprint."""
        return self.fingerprint_name.rpartition(".")[2]

    def forward(self, images: Tensor) -> Any:
        """Return the outputs of the program for normalised images."""
        batch = self.takes.batch
        answers = in_portions(self._answers, self.takes.encode(images), batch or 1, batch)
        return answers.to(images.device) if isinstance(answers, Tensor) else answers

    def _answers(self, images: Tensor) -> Any:
        answers = self._run(images.numpy())
        check_in_place(self._files)
        # A copy, since the runtime may write its next answers into the same array.
        return torch.from_numpy(np.array(answers, order="C")) if isinstance(answers, np.ndarray) else answers


@dataclass(frozen=True, slots=True)
class Graph:
    """A program as its runtime loaded it.

    Attributes:
        run: returns the output with a number for an array of images.
        inputs: its inputs.
        outputs: its outputs. The first one declared as (N, C) is used, else the first.
        kind: the kind of model with its article, for messages.
        runtime: name and version of the runtime.
        files: the files that it was loaded from.
        mapped: those that the runtime still reads while it runs.
        metadata: configs in its metadata.
    """

    run: Callable[[int, Any], Any]
    inputs: Sequence[Port]
    outputs: Sequence[Port]
    kind: str
    runtime: str
    files: tuple[ModelFile, ...]
    mapped: tuple[ModelFile, ...] = ()
    metadata: tuple[PreprocessingConfig, ...] = ()


def load_program(
    spec: ModelSpec, request: LoadRequest, graph: Graph, notes: Sequence[str] = (), **properties: Any
) -> LoadedModule:
    """Return a program of another runtime as a loaded module.

    Args:
        spec: the model.
        request: how it is loaded.
        graph: the program.
        notes: the first notes.
        properties: further fields of `LoadedModule`.

    Raises:
        ModelError: the program takes something else than a batch of images.
    """
    outputs = graph.outputs
    takes = _image_input(graph.inputs, spec.text)
    check_fits_input(takes, request, spec.text)
    tables = [
        port for port in outputs if len(port.shape) == 2 and port.shape[1] == request.expected_head.size
    ]
    answers = next(iter(tables), outputs[0])
    notes = list(notes)
    if len(outputs) > 1:
        notes.append(f"the output '{answers.name}' is used, of {listed(port.name for port in outputs)}")
    if takes.batch is not None:
        notes.append(f"its batch size is fixed to {takes.batch}: images are given in batches of that size")
    contents = hashlib.sha256("".join(file.sha256 for file in graph.files).encode()).digest()
    run = functools.partial(graph.run, outputs.index(answers))
    values: dict[str, Any] = {"device": torch.device("cpu"), "precision": "fp32", "is_program": True}
    return LoadedModule(
        RuntimeProgram(run, takes, contents, graph.runtime, answers.name, graph.mapped),
        configs=(*graph.metadata, PreprocessingConfig(takes.config, f"the input of {spec.text}")),
        notes=tuple(notes),
        no_gradient=NO_GRADIENT.format(graph.kind),
        output_step=answers.scale if answers.scale <= LARGEST_STEP else 0.0,
        files=graph.files,
        **values | properties,
    )


def check_fits_input(takes: ImageInput, request: LoadRequest, spec: str, remedy: str = "") -> None:
    """Check that a preprocessing file fits the input of a program.

    Args:
        takes: the input.
        request: how the program is loaded.
        spec: the model's spec, for messages.
        remedy: another way out for a program that takes pixels as they are.

    Raises:
        ModelError: the file states other channels, or a normalisation of pixels that are taken as they are.
    """
    stated = {} if request.preprocessing is None else request.preprocessing.values
    size = stated.get("input_size")
    if size and size[0] != takes.channels:
        raise ModelError(
            f"takes {takes.channels} channels", where=spec, got=f"{[*size]} in the preprocessing file"
        )
    if takes.takes_pixels and any({*stated.get(key, value)} != {*value} for key, value in AS_PIXELS.items()):
        raise ModelError(
            "takes pixels as uint8, but the preprocessing file states mean or std",
            where=spec,
            hint=f"Leave them out{remedy}.",
        )


def _image_input(ports: Sequence[Port], spec: str) -> ImageInput:
    """Return the input of a program, checked to take a batch of images.

    Raises:
        ModelError: the program takes something else.
    """
    first = ports[0] if len(ports) == 1 else Port("", "", (0,))
    # A port without a declared shape has an empty one; running it shows which images it takes.
    shape = [side if isinstance(side, int) and side >= 0 else None for side in first.shape or [None] * 4]
    is_last = len(shape) == 4 and shape[3] in (1, 3) and shape[1] not in (1, 3)
    dtype = (_QUANTISED if first.scale else _FLOATS).get(first.type)
    scale = first.scale
    zero_point = first.zero_point
    if dtype is None and first.type in _PIXELS:
        dtype = torch.uint8
        scale = _PIXEL_STEP
        zero_point = 0
    if len(shape) != 4 or not (is_last or shape[1] in (1, 3, None)) or dtype is None:
        described = ", ".join(f"'{port.name}' of {port.type} {port.shape}" for port in ports)
        allowed = (
            "one input of floats or uint8, shaped (images, channels, height, width) or (images, height, "
            "width, channels), with 3 channels, or 1 for grey images"
        )
        raise ModelError(
            "the graph does not take a batch of images",
            where=spec,
            got=f"the input {described}",
            allowed=allowed,
        )
    height, width = shape[1:3] if is_last else shape[2:]
    channels = (shape[3] if is_last else shape[1]) or 3
    size = (height, width) if height is not None and width is not None else None
    return ImageInput(dtype, shape[0], size, is_last, scale, zero_point, channels)
