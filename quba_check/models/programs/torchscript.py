"""TorchScript programs: a file of `torch.jit.save`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from quba_check.errors import ModelError
from quba_check.models.classifier import described
from quba_check.models.network import LoadedModule, LoadRequest, count_weights
from quba_check.models.programs.torchscript_scan import check_program

TRAIN_FLAGS = {
    "aten::batch_norm": 5,
    "aten::dropout": 2,
    "aten::feature_dropout": 2,
    "aten::alpha_dropout": 2,
}
"""Operators that act otherwise in train mode, with the position of the input that says so."""
STATISTICS = {"aten::batch_norm": (3, 4), "aten::instance_norm": (3, 4)}
"""Operators with running statistics, and the positions of these among their inputs."""


def network_of_torchscript(path: Path, *, spec: str, how: LoadRequest) -> LoadedModule:
    """The network of a TorchScript program.

    TorchScript is a language of its own: reading the file unpickles nothing and runs no Python, but its
    operators can read and write files. Programs with such operators are refused. What was scripted is put
    into eval mode. What was *traced* keeps the mode of the example, and a trace in train mode is refused.
    Numbers that a program holds outside of its parameters, as a frozen one holds all, are counted too.

    Args:
        path: the file.
        spec: the model's spec, for messages.
        how: how it is loaded; only those who trust pickles let a program reach files.

    Raises:
        ModelError: the file is damaged, uses operators that reach files, holds a trace that was made in train
            mode, or no weights.
    """
    check_program(path, spec=spec, trusted=how.trust_pickle)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchScript is deprecated, which whoever made the file knows
            module = cast(nn.Module, torch.jit.load(path, map_location="cpu"))  # type: ignore[no-untyped-call]
            module.eval()
            nodes = list(_nodes(cast(Any, module).inlined_graph))
    except Exception as error:  # the reader's errors are C++ ones of any type
        raise ModelError(f"{spec}: cannot be read as a TorchScript program ({described(error)}).") from error
    training = next((node.kind() for node in nodes if _trains(node)), None)
    if training is not None:
        raise ModelError(
            f"{spec}: was traced in train mode ({training}), which eval mode cannot change. "
            "Trace it again after model.eval()."
        )
    parameters, note = count_weights(module, _values(module, nodes), spec=spec)
    if not parameters:
        raise ModelError(
            f"{spec}: holds no weights that can be counted, as quantised programs do not. "
            "Give the model as it was before, or package.module:callable."
        )
    return LoadedModule(module, sources=(path,), notes=note, parameters=parameters)


def _nodes(block: Any) -> Iterator[Any]:
    """The nodes of a graph or block, with those inside of branches, loops and forks."""
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from _nodes(inner)
        for name in node.attributeNames():
            if node.kindOf(name) == "g":
                yield from _nodes(node.g(name))


def _trains(node: Any) -> bool:
    """Whether a node acts as in training whatever mode the program is in."""
    position = TRAIN_FLAGS.get(node.kind())
    return position is not None and list(node.inputs())[position].toIValue() is True


def _values(module: nn.Module, nodes: list[Any]) -> Iterator[object]:
    """Yield the constants, lists of numbers and attributes of a program.

    Running statistics are left out.
    """
    for node in nodes:
        if node.kind() == "prim::ListConstruct":
            numbers = [one.toIValue() for one in node.inputs()]
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
