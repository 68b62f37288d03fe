"""TorchScript programs: a file of `torch.jit.save`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import nn

from quba_check.errors import ModelError
from quba_check.models.classifier import error_summary
from quba_check.models.loaded_module import LoadedModule, count_weights
from quba_check.models.programs.torchscript_scan import check_program
from quba_check.models.request import LoadRequest
from quba_check.models.specs import ModelSpec

TRAIN_FLAGS = {
    "aten::batch_norm": 5,
    "aten::dropout": 2,
    "aten::feature_dropout": 2,
    "aten::alpha_dropout": 2,
}
"""Operators that behave differently in train mode, with the position of the input that sets it."""
STATISTICS = {"aten::batch_norm": (3, 4), "aten::instance_norm": (3, 4)}
"""Operators with running statistics, and the positions of these among their inputs."""


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
    check_program(spec.path, spec=spec.text, trusted=request.trust_pickle)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that TorchScript is deprecated
            module = cast(nn.Module, torch.jit.load(spec.path, map_location="cpu"))  # type: ignore[no-untyped-call]
            module.eval()
            nodes = list(_nodes(cast(Any, module).inlined_graph))
    except Exception as error:  # C++ errors of any type
        raise ModelError(
            f"{spec.text}: cannot be read as a TorchScript program ({error_summary(error)})."
        ) from error
    training = next((node.kind() for node in nodes if _is_in_train_mode(node)), None)
    if training is not None:
        raise ModelError(
            f"{spec.text}: was traced in train mode ({training}), which eval mode cannot change. "
            "Trace it again after model.eval()."
        )
    parameters, notes = count_weights(module, _values(module, nodes), spec=spec.text)
    if not parameters:
        raise ModelError(
            f"{spec.text}: holds no weights that can be counted, as quantised programs do not. "
            "Give the model as it was before, or package.module:callable."
        )
    return LoadedModule(module, sources=(spec.path,), notes=notes, parameters=parameters)


def _nodes(block: Any) -> Iterator[Any]:
    """Yield the nodes of a graph or block, including those in branches, loops and forks."""
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from _nodes(inner)
        for name in node.attributeNames():
            if node.kindOf(name) == "g":
                yield from _nodes(node.g(name))


def _is_in_train_mode(node: Any) -> bool:
    """True if a node behaves as in training in every mode of the program."""
    position = TRAIN_FLAGS.get(node.kind())
    return position is not None and list(node.inputs())[position].toIValue() is True


def _values(module: nn.Module, nodes: list[Any]) -> Iterator[object]:
    """Yield the constants, lists of numbers and attributes of a program.

    Running statistics are left out.
    """
    for node in nodes:
        if node.kind() == "prim::ListConstruct":
            numbers = [number.toIValue() for number in node.inputs()]
            yield [number for number in numbers if isinstance(number, float)]
        elif node.kind() in ("prim::Constant", "prim::GetAttr"):
            uses = node.output().uses()
            if not all(use.offset in STATISTICS.get(use.user.kind(), ()) for use in uses):
                yield _value(node, module)


def _value(node: Any, module: nn.Module) -> object:
    """Return the value of a constant or attribute; None if the node has none."""
    if node.kind() == "prim::Constant":
        return cast(object, node.output().toIValue())
    names: list[str] = []
    while node.kind() == "prim::GetAttr":
        names.append(node.s("name"))
        node = node.input().node()
    value: object = module
    for name in reversed(names):
        value = getattr(value, name, None)
    return value
