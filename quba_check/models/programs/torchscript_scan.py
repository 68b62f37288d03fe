"""Search of TorchScript programs for operators with access to files.

The search happens before torch reads the file, since torch runs parts of a program while reading it (default
values of arguments, `__setstate__`). It is a plain search for words: a parser could interpret the text
differently from torch, whereas a search can only refuse too much.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

import torch

from quba_check.errors import ModelError

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
_PACKED = re.compile(rb"__torch__\.torch[.\n]classes\b")


def check_program(path: Path, *, spec: str, trusted: bool) -> None:
    """Search a TorchScript archive for refused operators.

    Args:
        path: the file.
        spec: the model's spec, for messages.
        trusted: accept every operator.

    Raises:
        ModelError: the file is damaged, holds packed weights, or uses an operator that reaches files or that
            is unknown.
    """
    try:
        # The reader that torch.jit.load uses; it ignores the case of names.
        reader = torch._C.PyTorchFileReader(str(path))
        names = [(name, name.lower()) for name in reader.get_all_records()]
        code = [reader.get_record(name) for name, low in names if low[:5] == "code/" and low.endswith(".py")]
        values = [reader.get_record(name) for name, low in names if low in ("data.pkl", "constants.pkl")]
    except RuntimeError as error:
        raise ModelError(f"{spec}: is no TorchScript program, or a damaged one.") from error
    if any(low == "model.json" for _, low in names):
        raise ModelError(
            f"{spec}: is a TorchScript program of a torch before 1.4. Save it again with a newer one."
        )
    if any(_PACKED.search(content) for content in (*code, *values)):
        raise ModelError(
            f"{spec}: holds packed weights that cannot be counted, as quantised programs do. "
            "Give the model as it was before, or package.module:callable."
        )
    operators = () if trusted else filter(None, (_refused_word(text.decode("latin-1")) for text in code))
    operator = next(iter(operators), None)
    if operator is not None:
        raise ModelError(
            f"{spec}: its program could reach files, got '{operator}'; nothing of it was run. "
            f"Allowed: operators of {', '.join(NAMESPACES)} that only compute. Save the model without it, "
            "or, if you trust whoever made the file: --quba-trust-pickle."
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
