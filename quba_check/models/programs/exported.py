"""Exported programs: a `.pt2` file of `torch.export.save`."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from quba_check.errors import ModelError
from quba_check.models.classifier import described
from quba_check.models.network import LoadedModule, LoadRequest, count_weights
from quba_check.models.preprocessing.config import PreprocessingConfig

TRAIN_FLAGS = {"batch_norm": 5, "dropout": 2, "feature_dropout": 2, "alpha_dropout": 2, "native_dropout": 2}
TRAIN_FLAGS |= {"native_batch_norm": 5, "_native_batch_norm_legit": 5}
"""Operators that act otherwise in train mode, with the position of the argument that says so."""
STATISTICS = dict.fromkeys(("batch_norm", "native_batch_norm", "instance_norm"), (3, 4))
STATISTICS |= {f"_native_batch_norm_legit{form}": (3, 4) for form in ("", "_no_training")}
"""Operators with running statistics, and the positions of these among their arguments."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a program takes: how many images at a time, and of which size where that is fixed."""

    least: int
    most: int | None
    size: tuple[int, int, int] | None


class ExportedNetwork(nn.Module):
    """An exported program as a module.

    Its modes are those it was exported in, so that `train` and `eval` merely set a mark. A program for a
    fixed number of images, or a limited one, is given its images in such portions; the last one is filled up
    with its own last image, whose answers are dropped.

    Args:
        program: the program as a module.
        least: smallest number of images that it takes.
        most: largest number.
    """

    def __init__(self, program: nn.Module, least: int, most: int | None) -> None:
        super().__init__()
        self.program = program
        self.least = least
        self.most = most
        self.eval()

    def train(self, mode: bool = True) -> ExportedNetwork:
        """Mark all parts; nothing of the program depends on it."""
        for part in self.modules():
            part.training = mode
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Answers of the program for any number of images."""
        portions = torch.split(images, self.most or len(images))
        answers: list[Tensor] = [self._answers(portion) for portion in portions]
        return answers[0] if len(answers) == 1 else torch.cat(answers)

    def _answers(self, images: Tensor) -> Any:
        absent = self.least - len(images)
        if absent <= 0:
            return self.program(images)
        filled = torch.cat([images, images[-1:].expand(absent, *images.shape[1:])])
        return self.program(filled)[: len(images)]


def network_of_exported(path: Path, *, spec: str, how: LoadRequest, device: torch.device) -> LoadedModule:
    """The network of an exported program, on its device.

    torch's reader unpickles parts of the file, evaluates others as Python and loads compiled libraries. The
    file is only read if it is trusted.

    Args:
        path: the file.
        spec: the model's spec, for messages.
        how: how it is loaded; without `trust_pickle` the file is refused and nothing of it is read.
        device: where it will run; the program names devices in its own instructions.

    Raises:
        ModelError: the file is not trusted, is damaged, was exported in train mode, or takes something else
            than a batch of images.
    """
    if not how.trust_pickle:
        raise ModelError(
            f"{spec}: is an exported program, which can run code when it is read; nothing of it was run. "
            "Give TorchScript (torch.jit.save), ONNX, or the state dict with --quba-arch, or, if you trust "
            "whoever made the file: --quba-trust-pickle."
        )
    try:
        with _without_logs():
            program = torch.export.load(path)
        if device.type != "cpu":
            from torch.export.passes import move_to_device_pass

            program = move_to_device_pass(program, device)
        module = program.module()
    except Exception as error:
        raise ModelError(
            f"{spec}: cannot be read as an exported program ({described(error)}). "
            f"It is best exported with the torch that reads it, {torch.__version__}."
        ) from error
    training = next((str(node.target) for node in program.graph.nodes if _trains(node)), None)
    if training is not None:
        raise ModelError(
            f"{spec}: was exported in train mode ({training}), which cannot be changed. "
            "Export it again after model.eval()."
        )
    taken = _taken(program, spec)
    notes = []
    if taken.least == taken.most:
        notes.append(
            f"{spec} was exported for {taken.most} images at a time and is given its images so; "
            "exported with a dynamic batch it would be faster"
        )
    parameters, note = count_weights(module, _values(program), spec=spec)
    if not parameters:
        raise ModelError(
            f"{spec}: holds no weights that can be counted. "
            "Give the model as it was before, or package.module:callable."
        )
    return LoadedModule(
        ExportedNetwork(module, taken.least, taken.most),
        sources=(path,),
        configs=(PreprocessingConfig({"input_size": taken.size}, spec),) if taken.size else (),
        notes=(*notes, *note),
        parameters=parameters,
    )


@contextlib.contextmanager
def _without_logs() -> Iterator[None]:
    """Keep torch's reader from logging: one of its warnings has a broken format, at which pytest raises."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _operator(node: Any) -> str:
    """Return the name of the operator in an instruction; empty if there is none."""
    return str(getattr(getattr(node.target, "overloadpacket", None), "__name__", ""))


def _values(program: Any) -> Iterator[object]:
    """Yield the buffers and constants used by a program, except running statistics."""
    signature = program.graph_signature
    names = {**signature.inputs_to_buffers, **signature.inputs_to_lifted_tensor_constants}
    held = {**program.constants, **program.state_dict}
    for node in program.graph.nodes:
        places = [(_operator(user), user.args.index(node)) for user in node.users if node in user.args]
        if node.name in names and not (
            places
            and len(places) == len(node.users)
            and all(position in STATISTICS.get(operator, ()) for operator, position in places)
        ):
            yield held.get(names[node.name])


def _trains(node: Any) -> bool:
    """Whether an instruction acts as in training."""
    position = TRAIN_FLAGS.get(_operator(node))
    return position is not None and len(node.args) > position and node.args[position] is True


def _taken(program: Any, spec: str) -> Taken:
    inputs = [node for node in program.graph.nodes if node.name in program.graph_signature.user_inputs]
    shape: Any = getattr(inputs[0].meta.get("val"), "shape", ()) if inputs else ()
    if len(inputs) != 1 or len(shape) != 4:
        raise ModelError(
            f"{spec}: takes {len(inputs)} inputs, the first of shape {tuple(shape)}. "
            "Allowed: one batch of images of shape (images, 3, height, width)."
        )
    least, most = _bounds(program, shape[0])
    _, channels, height, width = shape
    fixed = all(isinstance(side, int) for side in (channels, height, width))
    return Taken(least, most, (channels, height, width) if fixed else None)


def _bounds(program: Any, batch: Any) -> tuple[int, int | None]:
    """Smallest and largest number of images."""
    if isinstance(batch, int):
        return batch, batch
    limits = program.range_constraints.get(batch.node.expr)
    if limits is None:
        return 1, None
    # Where there is no limit, it is an infinite number of sympy's.
    return max(1, int(limits.lower)), int(limits.upper) if limits.upper.is_Integer else None
