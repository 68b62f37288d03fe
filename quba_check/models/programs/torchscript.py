"""TorchScript programs: a file of `torch.jit.save`."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from quba_check.errors import ModelError
from quba_check.models.errors import model_errors, quiet
from quba_check.models.loaded_module import LoadedModule, model_files
from quba_check.models.programs.exported import TRAIN_FLAGS
from quba_check.models.programs.weights import (
    count_weights,
    depends_on_batch,
    operator_name,
    program_nodes,
    program_values,
)
from quba_check.models.request import LoadRequest
from quba_check.models.specs import ModelSpec

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
        module = cast(nn.Module, torch.jit.load(spec.path, map_location="cpu"))  # type: ignore[no-untyped-call]
        module.eval()
        nodes = list(program_nodes(module))
    training = next((node.kind() for node in nodes if _is_in_train_mode(node)), None)
    if training is not None:
        raise ModelError(
            f"{spec.text}: was traced in train mode ({training}), which eval mode cannot change. "
            "Trace it again after model.eval()."
        )
    values = list(program_values(module))
    stored = [*module.parameters(), *module.buffers(), *values]
    return LoadedModule(
        module,
        sources=(spec.path,),
        weights=count_weights(module, values, stored, spec=spec.text),
        files=files,
        is_program=True,
        takes_single_images=depends_on_batch(module),
    )


def _is_in_train_mode(node: Any) -> bool:
    """True if a node behaves as in training in every mode of the program."""
    position = TRAIN_FLAGS.get(operator_name(node))
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
            if match := refused.search(written):
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
