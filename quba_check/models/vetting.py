"""Exported programs looked through before torch reads them.

`torch.export.load` unpickles some members of the file, evaluates size expressions and guards as Python, looks
functions up by name, and generates source code out of names. Each of these is held to what programs of
image classifiers need; what goes beyond is refused, so that reading a file runs no code of its author's.
"""

from __future__ import annotations

import ast
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from quba_check.errors import ModelError

_OPERATORS = "add sub mul truediv floordiv mod pow neg pos abs eq ne lt le gt ge and_ or_ not_ getitem"
FUNCTIONS = re.compile(
    r"torch\.ops\.(aten|prims|prim|higher_order|torchvision)(\.\w+){1,2}|torch\.(sym_\w+|_sym_\w+)"
    rf"|math\.\w+|_operator\.({_OPERATORS.replace(' ', '|')})"
)
"""What the instructions of a program may call."""
CALLED = {
    *("Symbol", "Integer", "Float", "Rational", "Add", "Mul", "Pow", "Max"),
    *("Min", "Mod", "Eq", "Ne", "Lt", "Le", "Gt", "Ge"),
    *("And", "Or", "Not", "Abs", "Equality", "Unequality", "StrictLessThan", "LessThan"),
    *(
        "StrictGreaterThan",
        "GreaterThan",
        "Piecewise",
        "FloorDiv",
        "ModularIndexing",
        "Where",
        "PythonMod",
        "CleanDiv",
    ),
    *("CeilToInt", "FloorToInt", "CeilDiv", "IntTrueDiv", "FloatTrueDiv", "LShift", "RShift", "TruncToInt"),
    *("TruncToFloat", "RoundToInt", "RoundDecimal", "ToFloat", "FloatPow", "PowByNatural", "Identity", "min"),
    *("max", "abs", "floor", "ceiling"),
}
METHODS = {"size", "stride", "storage_offset", "dim", "floor", "ceil", "trunc", "sqrt"}
"""What size expressions and guards may call."""
_NODES = (
    *(ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Constant, ast.Name, ast.Load),
    *(ast.Call, ast.keyword, ast.Subscript, ast.Attribute, ast.operator, ast.unaryop, ast.boolop, ast.cmpop),
    *(ast.Tuple, ast.IfExp),
)
_TREES = re.compile(r'[\w\s\[\]{}:,.\\"-]*')
_TREE_KINDS = {"builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict", None}
_TEXTS = {"stack_trace", "nn_module_stack", "torch_fn", "source_fn_stack", "from_node"}
"""Remarks for people, which torch carries along as text."""
_DAMAGE = (zipfile.BadZipFile, zlib.error, ValueError, LookupError, TypeError, AttributeError, RuntimeError)
"""What reading a broken archive raises; RuntimeError where it is encrypted, or nested too deep."""
_NAMES = {"name", "as_name", "forward_arg_names"}


def vet_program(path: Path, *, spec: str) -> None:
    """Look through an exported program for what would run code while torch reads it.

    Args:
        path: the file.
        spec: the model's spec, for messages.

    Raises:
        ModelError: it is no archive, or something in it goes beyond what programs need.
    """
    if not zipfile.is_zipfile(path):
        raise ModelError(f"{spec}: is no exported program of torch.export.save, or a damaged one.")
    try:
        with zipfile.ZipFile(path) as archive:
            suspect = next(_suspects(archive), None)
    except _DAMAGE as error:
        raise ModelError(f"{spec}: is no exported program of torch.export.save, or a damaged one.") from error
    if suspect is not None:
        raise ModelError(
            f"{spec}: would run code when it is read ({suspect}); nothing of it was run. "
            "If you trust whoever made the file: --quba-trust-pickle."
        )


def _suspects(archive: zipfile.ZipFile) -> Iterator[str]:
    names = archive.namelist()
    if len(set(names)) < len(names):
        yield "two members of one name"
    for name in names:
        short = name.rpartition("/")[2]
        if short.startswith(("custom_obj_", "opaque_obj_")) or short.endswith((".so", ".wrapper")):
            yield short
        elif short.endswith(".pt") and not _is_plain(archive.read(name)):
            yield f"a pickle in {short}"
        elif short.endswith(("_weights_config.json", "_constants_config.json")):
            yield from _pickled_payloads(archive, name)
        elif short.endswith(".json"):
            yield from _in_program(json.loads(archive.read(name)))


def _pickled_payloads(archive: zipfile.ZipFile, name: str) -> Iterator[str]:
    folder = name.rpartition("/")[0]
    for payload in json.loads(archive.read(name))["config"].values():
        if payload["use_pickle"] and not _is_plain(archive.read(f"{folder}/{payload['path_name']}")):
            yield f"a pickle in {payload['path_name']}"


def _is_plain(content: bytes) -> bool:
    """Whether a pickle holds tensors and plain containers alone."""
    try:
        torch.load(io.BytesIO(content), weights_only=True)
    except Exception:  # noqa: BLE001  what cannot be read as plain is not
        return False
    return True


def _in_program(part: Any, key: str = "") -> Iterator[str]:
    if isinstance(part, dict):
        for name, value in part.items():
            yield from _in_program(name, "(a key)")
            if key != "metadata" or name not in _TEXTS:
                yield from _in_program(value, name)
    elif isinstance(part, list):
        for value in part:
            yield from _in_program(value, key)
    elif isinstance(part, str) and not _is_harmless(part, key):
        yield f"{key} {part[:60]!r}"


def _is_harmless(text: str, key: str) -> bool:
    if key in ("target", "as_operator"):
        return FUNCTIONS.fullmatch(text) is not None
    if key in ("expr_str", "guards_code"):
        return _is_arithmetic(text)
    if key in ("in_spec", "out_spec"):
        return _TREES.fullmatch(text) is not None and _is_plain_tree(json.loads(text))
    if key in _NAMES:
        return text.isidentifier()
    return not re.search(r'["\\\n\r`]', text)


def _is_arithmetic(text: str) -> bool:
    """Whether an expression computes with sizes, and nothing else."""
    if "#" in text or "\\" in text:  # torch puts names of inputs into what it takes for code
        return False
    try:
        nodes = list(ast.walk(ast.parse(text.strip(), mode="eval")))
    except (SyntaxError, ValueError):
        return False
    return all(isinstance(node, _NODES) and not _reaches_out(node) for node in nodes)


def _reaches_out(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr not in METHODS
    if isinstance(node, ast.Call):
        called = node.func
        return not (
            isinstance(called, ast.Attribute) or (isinstance(called, ast.Name) and called.id in CALLED)
        )
    if isinstance(node, ast.keyword):  # such as `key`, which `max` would call
        return not isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Constant):
        value = node.value
        return not (value.isidentifier() if isinstance(value, str) else isinstance(value, int | float | None))
    return False


def _is_plain_tree(tree: Any) -> bool:
    """Whether inputs or outputs are plain containers, and their keys names."""
    if isinstance(tree, list):
        return all(_is_plain_tree(part) for part in tree)
    if not isinstance(tree, dict):
        return True
    context = json.loads(tree.get("context") or "null")
    keys = context if isinstance(context, list) else []
    return (
        tree.get("type") in _TREE_KINDS
        and (context is None or isinstance(context, list))
        and all(isinstance(key, str) and key.isidentifier() for key in keys)
        and _is_plain_tree(tree.get("children_spec", []))
    )
