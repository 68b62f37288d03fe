"""Exported programs: a `.pt2` file of `torch.export.save`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from quba_check.errors import ModelError
from quba_check.models.errors import model_errors, quiet
from quba_check.models.loaded_module import LoadedModule, model_files
from quba_check.models.preprocessing.config import PreprocessingConfig
from quba_check.models.programs.weights import STATISTICS, count_weights, memory_key
from quba_check.models.request import LoadRequest
from quba_check.models.specs import ModelSpec

TRAIN_FLAGS = {"batch_norm": 5, "dropout": 2, "feature_dropout": 2, "alpha_dropout": 2, "native_dropout": 2}
TRAIN_FLAGS |= {"native_batch_norm": 5, "_native_batch_norm_legit": 5}
"""Operators that behave differently in train mode, with the position of the argument that sets it."""
DYNAMIC = ("choose_qparams", "choose_qparams_symmetric")
"""Operators that choose the scale of quantised values from those of the whole batch."""


class ExportedNetwork(nn.Module):
    """An exported program as a module.

    The program keeps the mode in which it was exported; `train` and `eval` only set the flag.

    Args:
        program: the program as a module.
        least: smallest number of images at a time.
        most: largest number; None if there is no limit.
    """

    fingerprint_name: ClassVar[str] = "quba_check.models.exported.ExportedNetwork"

    def __init__(self, program: nn.Module, least: int, most: int | None) -> None:
        super().__init__()
        self.program = program
        self.least = least
        self.most = most
        self.eval()

    def train(self, mode: bool = True) -> ExportedNetwork:
        """Set the flag of all parts; the program does not depend on it."""
        for part in self.modules():
            part.training = mode
        return self

    def forward(self, images: Tensor) -> Any:
        """Return the outputs of the program for any number of images."""
        return in_portions(self.program, images, self.least, self.most)


def in_portions(run: Callable[[Tensor], Any], images: Tensor, least: int, most: int | None) -> Any:
    """Return the outputs of a program with a limited batch size.

    A portion that is too small is filled up with copies of its last image, whose answers are dropped.

    Args:
        run: the program.
        images: any number of images.
        least: smallest number of images at a time.
        most: largest number; None if there is no limit.
    """
    answers = []
    for portion in torch.split(images, most or len(images)):
        n_missing = least - len(portion)
        if n_missing > 0:
            filled = torch.cat([portion, portion[-1:].expand(n_missing, *portion.shape[1:])])
            answers.append(run(filled)[: len(portion)])
        else:
            answers.append(run(portion))
    is_table = all(isinstance(answer, Tensor) for answer in answers)
    return torch.cat(answers) if is_table and len(answers) > 1 else answers[0]


def load_exported(spec: ModelSpec, request: LoadRequest, device: torch.device) -> LoadedModule:
    """Load an exported program onto its device.

    torch's reader unpickles parts of the file, evaluates others as Python and loads compiled libraries.
    Therefore the file is read only if it is trusted.

    Args:
        spec: the model, a file.
        request: how it is loaded; without `trust_pickle` the file is refused unread.
        device: where it will run, since the program names devices in its own instructions.

    Raises:
        ModelError: the file is not trusted, is damaged, was exported in train mode, or takes something else
            than a batch of images.
    """
    if not request.trust_pickle:
        raise ModelError(
            f"{spec.text}: is an exported program, which can run code when it is read; nothing of it was "
            "run. Give TorchScript (torch.jit.save), ONNX, or the state dict with --quba-arch, or, if you "
            "trust whoever made the file: --quba-trust-pickle."
        )
    files = model_files(spec.path)
    version = torch.__version__
    with quiet(), model_errors(f"cannot be read as an exported program of torch {version}:", where=spec.text):
        # Registers the operators of programs that PT2E quantised.
        importlib.import_module("torch.ao.quantization.fx._decomposed")
        program = torch.export.load(spec.path)
        if device.type != "cpu":
            from torch.export.passes import move_to_device_pass

            program = move_to_device_pass(program, device)
        module = program.module()
    training = next((str(node.target) for node in program.graph.nodes if _is_in_train_mode(node)), None)
    if training is not None:
        raise ModelError(
            f"{spec.text}: was exported in train mode ({training}), which cannot be changed. "
            "Export it again after model.eval()."
        )
    least, most, size = _image_input(program, spec.text)
    notes = []
    if least == most:
        notes.append(
            f"{spec.text} was exported for {most} images at a time, so batches have that size; "
            "exported with a dynamic batch it would be faster"
        )
    stored, unused = [program.state_dict, program.constants], _unused_parameters(program)
    return LoadedModule(
        ExportedNetwork(module, least, most),
        sources=(spec.path,),
        configs=(PreprocessingConfig({"input_size": size}, spec.text),) if size else (),
        notes=tuple(notes),
        weights=count_weights(module, list(_values(program)), stored, spec=spec.text, unused=unused),
        files=files,
        is_program=True,
        takes_single_images=any(_operator(node) in DYNAMIC for node in program.graph.nodes),
    )


def _operator(node: Any) -> str:
    """Return the name of the operator in an instruction; empty if there is none."""
    return str(getattr(getattr(node.target, "overloadpacket", None), "__name__", ""))


def _values(program: Any) -> Iterator[object]:
    """Yield the buffers and constants used by a program, except running statistics."""
    signature = program.graph_signature
    names = {**signature.inputs_to_buffers, **signature.inputs_to_lifted_tensor_constants}
    tensors = {**program.constants, **program.state_dict}
    for node in program.graph.nodes:
        uses = [(_operator(user), user.args.index(node)) for user in node.users if node in user.args]
        if node.name in names and not (
            uses
            and len(uses) == len(node.users)
            and all(position in STATISTICS.get(operator, ()) for operator, position in uses)
        ):
            yield tensors.get(names[node.name])


def _unused_parameters(program: Any) -> int:
    """Return the number of parameters that a program does not read.

    A program quantised by PT2E keeps the weights that it replaced.
    """
    names = program.graph_signature.inputs_to_parameters
    numbers: dict[bool, dict[object, int]] = {True: {}, False: {}}
    for node in program.graph.nodes:
        if node.name in names:
            tensor = program.state_dict[names[node.name]]
            numbers[bool(node.users)][memory_key(tensor)] = tensor.numel()
    return sum(number for key, number in numbers[False].items() if key not in numbers[True])


def _is_in_train_mode(node: Any) -> bool:
    """True if an instruction behaves as in training."""
    position = TRAIN_FLAGS.get(_operator(node))
    return position is not None and len(node.args) > position and node.args[position] is True


def _image_input(program: Any, spec: str) -> tuple[int, int | None, tuple[int, ...] | None]:
    """Return smallest and largest number of images at a time, and their fixed size."""
    inputs = [node for node in program.graph.nodes if node.name in program.graph_signature.user_inputs]
    shape: Any = getattr(inputs[0].meta.get("val"), "shape", ()) if inputs else ()
    if len(inputs) != 1 or len(shape) != 4:
        raise ModelError(
            f"{spec}: takes {len(inputs)} inputs, the first of shape {tuple(shape)}. "
            "Allowed: one batch of images of shape (images, 3, height, width)."
        )
    batch, *sides = shape
    size = tuple(sides) if all(isinstance(side, int) for side in sides) else None
    if isinstance(batch, int):
        return batch, batch, size
    limits = program.range_constraints.get(batch.node.expr)
    if limits is None:
        return 1, None, size
    # sympy's infinity stands for no limit.
    return max(1, int(limits.lower)), int(limits.upper) if limits.upper.is_Integer else None, size
