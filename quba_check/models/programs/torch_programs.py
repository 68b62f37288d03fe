"""Programs that torch saves and runs: TorchScript, and exported programs (`.pt2`)."""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from quba_check.errors import ModelError
from quba_check.models import compute
from quba_check.models.errors import model_errors, quiet
from quba_check.models.identity import graphs
from quba_check.models.loaded_module import LoadedModule, model_files
from quba_check.models.preprocessing.config import PreprocessingConfig
from quba_check.models.programs import weights
from quba_check.models.programs.metadata import exported_config
from quba_check.models.programs.runtime import in_portions
from quba_check.models.request import LoadRequest
from quba_check.models.specs import ModelSpec

TRAIN_FLAGS = {"batch_norm": 5, "dropout": 2, "feature_dropout": 2, "alpha_dropout": 2, "native_dropout": 2}
TRAIN_FLAGS |= {"native_batch_norm": 5, "_native_batch_norm_legit": 5}
"""Operators that behave differently in train mode, with the position of the argument that sets it."""
DYNAMIC = ("choose_qparams", "choose_qparams_symmetric")
"""Operators that choose the scale of quantised values from those of the whole batch."""
NAMESPACES = ("aten", "prim", "quantized", "torchvision")
"""Their operators compute on tensors, except for `NEVER` and those with an argument that names a file."""
NEVER = ("save", "from_file", "rpc_async", "rpc_remote", "rpc_sync", "PythonOp", "IgnoredPythonOp")
_BETWEEN_LITERALS = re.compile(r"[\"'][\s\\\"']*[\"']")
"""The end of a string literal and the beginning of the next, which torch joins."""
_COMMENT = re.compile(r"[\"'][\s\\]*#")
"""A comment after a literal, which could hide the next one; torch writes none."""
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|([0-7]{1,3})|\r?\n)")
_OTHER_NAMESPACE = re.compile(
    rf"(?<![\w.])ops\b(?!\.(?:{'|'.join(NAMESPACES)})\.\w)(?:\.\w+)*|__torch__(?!\.\w)|__torch__\.torch\b(?!\.\w)",
    re.ASCII,
)
"""An operator of another namespace, or a namespace assigned to a new name."""
_NOT_PACKED = re.compile(rb"__torch__\.torch[.\n]classes\b(?![.]quantized[.\n])")
"""An object of another C++ class than the packed weights of quantised layers."""


def load_torchscript(spec: ModelSpec, request: LoadRequest) -> LoadedModule:
    """Load a TorchScript program.

    Reading the file unpickles nothing and runs no Python, but the operators of TorchScript can read and write
    files. Programs with such operators are refused. A scripted program is put into eval mode. A traced one
    keeps the mode of its example, and a trace in train mode is refused. Numbers outside of the parameters
    are counted too; a frozen program has no others.

    Args:
        spec: the model, a file.
        request: how it is loaded; `trust_pickle` accepts operators with access to files.

    Raises:
        ModelError: the file is damaged, uses operators with access to files, was traced in train mode, or
            holds no weights.
    """
    files = model_files(spec.path)
    check_program(spec.path, spec=spec.text, trusted=request.trust_pickle)
    with quiet(), model_errors("cannot be read as a TorchScript program:", where=spec.text):
        extra = {"config.txt": ""}  # metadata of ultralytics
        module = cast(nn.Module, torch.jit.load(spec.path, "cpu", extra))  # type: ignore[no-untyped-call]
        module.eval()
        nodes = list(graphs.program_nodes(module))
    training = next((node.kind() for node in nodes if _is_traced_in_train_mode(node)), None)
    if training is not None:
        problem = f"was traced in train mode ({training}), which eval mode cannot change"
        raise ModelError(problem, where=spec.text, hint="Trace it again after model.eval().")
    values = list(graphs.program_values(module))
    stored = [*module.parameters(), *module.buffers(), *values]
    return LoadedModule(
        module,
        sources=(spec.path,),
        configs=exported_config(extra["config.txt"], spec.text),
        weights=weights.count_weights(module, values, stored, spec=spec.text),
        files=files,
        is_program=True,
        takes_single_images=weights.depends_on_batch(module),
    )


def _is_traced_in_train_mode(node: Any) -> bool:
    """True if a node behaves as in training in every mode of the program."""
    position = TRAIN_FLAGS.get(graphs.operator_name(node))
    return position is not None and list(node.inputs())[position].toIValue() is True


def check_program(path: Path, *, spec: str, trusted: bool) -> None:
    """Search a TorchScript archive for refused operators.

    The search happens before torch reads the file, since torch runs parts of a program while reading it
    (default values of arguments, `__setstate__`). It is a plain search for words: a parser could interpret
    the text differently from torch, whereas a search can only refuse too much.

    Args:
        path: the file.
        spec: the model's spec, for messages.
        trusted: accept every operator.

    Raises:
        ModelError: the file is damaged, holds objects of C++ classes other than packed weights, or uses an
            operator that reaches files or that is unknown.
    """
    unusable = functools.partial(ModelError, where=spec)
    try:
        # The reader that torch.jit.load uses; it ignores the case of names.
        reader = torch._C.PyTorchFileReader(str(path))
        names = [(name, name.lower()) for name in reader.get_all_records()]
        code = [reader.get_record(name) for name, low in names if low[:5] == "code/" and low.endswith(".py")]
        values = [reader.get_record(name) for name, low in names if low in ("data.pkl", "constants.pkl")]
    except RuntimeError as error:
        raise unusable("is not a TorchScript program, or is damaged.") from error
    if any(low == "model.json" for _, low in names):
        hint = "Save it again with a newer one."
        raise unusable("is a TorchScript program of a torch before 1.4", hint=hint)
    if any(_NOT_PACKED.search(content) for content in (*code, *values)):
        problem = "holds an object of torch.classes that is no packed weight of a quantised layer"
        raise unusable(problem, hint="Save the model without it, or give package.module:callable.")
    operators = () if trusted else filter(None, (_refused_word(text.decode("latin-1")) for text in code))
    operator = next(iter(operators), None)
    if operator is not None:
        raise unusable(
            "its program could reach files",
            got=f"'{operator}'; nothing of it was run",
            allowed=f"operators of {', '.join(NAMESPACES)} that only compute",
            hint="Save the model without it, or, if you trust whoever made the file: --quba-trust-pickle.",
        )


def _refused_word(text: str) -> str | None:
    """Return the first refused word in a program's text."""
    plain = _ESCAPE.sub(_decode, _BETWEEN_LITERALS.sub("", text))
    for written in (text, plain):
        for refused in (_reaching_files(), _OTHER_NAMESPACE, _COMMENT):
            match = refused.search(written)
            if match:
                return match[0]
    return None


def _decode(escape: re.Match[str]) -> str:
    if escape[1]:
        return chr(int(escape[1], 16))
    return chr(int(escape[2], 8)) if escape[2] else ""


@functools.cache
def _reaching_files() -> re.Pattern[str]:
    """Return a pattern for `NEVER` and torch's operators with a file name as argument."""
    naming_files = {
        schema.name.partition("::")[2]
        for schema in torch._C._jit_get_all_schemas()
        if schema.name.partition("::")[0] in NAMESPACES
        and any("file" in argument.name and "str" in str(argument.type) for argument in schema.arguments)
    }
    return re.compile(rf"\b(?:{'|'.join(sorted({*NEVER, *naming_files}))})\b", re.ASCII)


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


def load_exported(spec: ModelSpec, request: LoadRequest) -> LoadedModule:
    """Load an exported program onto its device, which its own instructions name.

    torch's reader unpickles parts of the file, evaluates others as Python and loads compiled libraries.
    Therefore the file is read only if it is trusted.

    Args:
        spec: the model, a file.
        request: how it is loaded; without `trust_pickle` the file is refused unread.

    Raises:
        ModelError: the file is not trusted, is damaged, was exported in train mode, or takes something else
            than a batch of images.
    """
    if not request.trust_pickle:
        raise ModelError(
            "is an exported program, which can run code when it is read; nothing of it was "
            "run. Give TorchScript (torch.jit.save), ONNX, or the state dict with --quba-arch, "
            "or, if you trust whoever made the file: --quba-trust-pickle.",
            where=spec.text,
        )
    files = model_files(spec.path)
    program, module = _read_exported(spec, compute.resolve_device(request.device, request.worker))
    training = next(
        (str(node.target) for node in program.graph.nodes if _is_exported_in_train_mode(node)), None
    )
    if training is not None:
        problem = f"was exported in train mode ({training}), which cannot be changed"
        raise ModelError(problem, where=spec.text, hint="Export it again after model.eval().")
    least, most, size = _image_input(program, spec.text)
    notes = []
    if least == most:
        notes.append(
            f"{spec.text} was exported for {most} images at a time, so batches have that size; "
            "exported with a dynamic batch it would be faster"
        )
    count = len(program.graph_signature.user_outputs)
    if count > 1:
        notes.append(f"the first of {count} outputs is used")
    stored = [program.state_dict, program.constants]
    unused = _unused_parameters(program)
    return LoadedModule(
        ExportedNetwork(module, least, most),
        sources=(spec.path,),
        configs=(PreprocessingConfig({"input_size": size}, spec.text),) if size else (),
        notes=tuple(notes),
        weights=weights.count_weights(module, list(_values(program)), stored, spec=spec.text, unused=unused),
        files=files,
        is_program=True,
        takes_single_images=any(_operator(node) in DYNAMIC for node in program.graph.nodes),
    )


def _read_exported(spec: ModelSpec, device: torch.device) -> tuple[Any, nn.Module]:
    """Return an exported program on a device, and its module."""
    version = torch.__version__
    with quiet(), model_errors(f"cannot be read as an exported program of torch {version}:", where=spec.text):
        # Registers the operators of programs that PT2E quantised.
        importlib.import_module("torch.ao.quantization.fx._decomposed")
        program = torch.export.load(spec.path)
        if device.type != "cpu":
            from torch.export.passes import move_to_device_pass

            program = move_to_device_pass(program, device)
        return program, program.module()


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
            and all(position in graphs.STATISTICS.get(operator, ()) for operator, position in uses)
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
            numbers[bool(node.users)][weights.memory_key(tensor)] = tensor.numel()
    return sum(number for key, number in numbers[False].items() if key not in numbers[True])


def _is_exported_in_train_mode(node: Any) -> bool:
    """True if an instruction behaves as in training."""
    position = TRAIN_FLAGS.get(_operator(node))
    return position is not None and len(node.args) > position and node.args[position] is True


def _image_input(program: Any, spec: str) -> tuple[int, int | None, tuple[int, ...] | None]:
    """Return smallest and largest number of images at a time, and their fixed size."""
    inputs = [node for node in program.graph.nodes if node.name in program.graph_signature.user_inputs]
    shape: Any = getattr(inputs[0].meta.get("val"), "shape", ()) if inputs else ()
    if len(inputs) != 1 or len(shape) != 4:
        problem = f"takes {len(inputs)} inputs, the first of shape {tuple(shape)}"
        allowed = "one batch of images of shape (images, 3 or 1, height, width)"
        raise ModelError(problem, where=spec, allowed=allowed)
    batch, *sides = shape
    size = tuple(sides) if all(isinstance(side, int) for side in sides) else None
    if isinstance(batch, int):
        return batch, batch, size
    limits = program.range_constraints.get(batch.node.expr)
    if limits is None:
        return 1, None, size
    # sympy's infinity stands for no limit.
    return max(1, int(limits.lower)), int(limits.upper) if limits.upper.is_Integer else None, size
