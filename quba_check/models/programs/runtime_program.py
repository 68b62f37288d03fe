"""Programs of other runtimes as torch modules: ONNX, TFLite, OpenVINO, functions on arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from quba_check.errors import ModelError
from quba_check.messages import listed
from quba_check.models.loaded_module import LoadedModule
from quba_check.models.model_files import ModelFile, check_in_place
from quba_check.models.preprocessing.config import PreprocessingConfig
from quba_check.models.programs.exported import in_portions
from quba_check.models.request import LoadRequest
from quba_check.models.specs import ModelSpec


@dataclass(frozen=True, slots=True)
class ImageInput:
    """The input of a program that takes a batch of images.

    Attributes:
        dtype: type of its numbers.
        batch: number of images if fixed; None takes any.
        size: (height, width) in pixels if fixed; None takes any.
        is_channels_last: True for (N, H, W, 3), False for (N, 3, H, W).
        scale: step of a quantised input; a real number x is given as round(x / scale) + zero_point. None if
            it is not quantised.
        zero_point: the quantised number of 0.
    """

    dtype: torch.dtype = torch.float32
    batch: int | None = None
    size: tuple[int, int] | None = None
    is_channels_last: bool = False
    scale: float | None = None
    zero_point: int = 0

    def encode(self, images: Tensor) -> Tensor:
        """Convert normalised images to this input.

        Args:
            images: float32, (N, 3, H, W).
        """
        values = images.detach().cpu()
        if self.is_channels_last:
            values = values.permute(0, 2, 3, 1)
        if self.scale is not None:
            limits = torch.iinfo(self.dtype)
            values = (values.double() / self.scale).round() + self.zero_point
            values = values.clamp(limits.min, limits.max)
        return values.to(self.dtype).contiguous()


class RuntimeProgram(nn.Module):
    """A program that another runtime runs, as a module without gradients.

    It maps float32 images (N, 3, H, W) to the outputs of the program. A program with a batch fixed to B gets
    B images at a time.

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


def image_input(
    shapes: Sequence[Sequence[object]], dtype: torch.dtype | None, described: str, spec: str
) -> ImageInput:
    """Return the input of a program, checked to take a batch of images.

    Args:
        shapes: shape of each input of the program; sides that are not integers of at least 0 are free. An
            empty shape is unknown: a run shows which images it takes.
        dtype: type of the first input; None if it is not one of numbers for images.
        described: name, type and shape of the inputs, for the message.
        spec: the model's spec, for the message.

    Raises:
        ModelError: the program takes something else.
    """
    shape = list(shapes[0]) or [None] * 4 if len(shapes) == 1 else []
    fixed = [side if isinstance(side, int) and side >= 0 else None for side in shape]
    is_last = len(fixed) == 4 and fixed[3] == 3 and fixed[1] != 3
    if len(fixed) != 4 or not (is_last or fixed[1] in (3, None)) or dtype is None:
        raise ModelError(
            f"{spec}: the graph does not take a batch of images, got the input {described}. "
            "Allowed: one input of float numbers, shaped (images, 3, height, width) or (images, height, "
            "width, 3)."
        )
    height, width = fixed[1:3] if is_last else fixed[2:]
    size = (height, width) if height is not None and width is not None else None
    return ImageInput(dtype, fixed[0], size, is_last)


def choose_output(
    names: Sequence[str], shapes: Sequence[Sequence[object]], classes: int
) -> tuple[int, tuple[str, ...]]:
    """Return the position of the output in use, and a note if there are several.

    That is the first one declared as (N, C), else the first.

    Args:
        names: names of the outputs.
        shapes: their shapes.
        classes: number C of classes.
    """
    tables = (number for number, shape in enumerate(shapes) if len(shape) == 2 and shape[1] == classes)
    chosen = next(tables, 0)
    note = f"the output '{names[chosen]}' is used, of {listed(names)}"
    return chosen, (note,) if len(names) > 1 else ()


def loaded_program(
    program: RuntimeProgram,
    spec: ModelSpec,
    request: LoadRequest,
    *,
    kind: str,
    notes: Sequence[str] = (),
    parameters: int | None,
    files: tuple[ModelFile, ...],
    device: torch.device | None = None,
    takes_single_images: bool = False,
    uncounted: str = "",
) -> LoadedModule:
    """Return a program as a loaded module, with the notes that all runtimes need.

    Args:
        program: the program.
        spec: the model.
        request: how it was loaded.
        kind: the kind of model with its article, for messages.
        notes: notes of the runtime, the first ones.
        parameters: number of its parameters; None if unknown.
        files: the files that it was loaded from.
        device: where it runs; None for the CPU.
        takes_single_images: True if an image's answer depends on the rest of its batch.
        uncounted: reason why the parameters cannot be counted.
    """
    takes = program.takes
    notes = list(notes)
    if takes.batch is not None:
        notes.append(f"its batch size is fixed to {takes.batch}: images are given in batches of that size")
    if request.precision not in ("auto", "fp32"):
        notes.append(f"{spec.text} computes in its own precision, not in {request.precision}")
    config = {"input_size": (3, *takes.size)} if takes.size else {}
    return LoadedModule(
        program,
        configs=(PreprocessingConfig(config, f"the input of {spec.text}"),),
        notes=tuple(notes),
        parameters=parameters,
        device=device or torch.device("cpu"),
        precision="fp32",
        no_gradient=f"{kind} gives no gradients, which FGSM and PGD need",
        files=files,
        is_program=True,
        takes_single_images=takes_single_images,
        uncounted=uncounted,
    )
