"""Graphs of TorchScript programs: their nodes, and the values that these use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from torch import nn

STATISTICS = dict.fromkeys(("batch_norm", "native_batch_norm", "instance_norm"), (3, 4))
STATISTICS |= {f"_native_batch_norm_legit{form}": (3, 4) for form in ("", "_no_training")}
"""Operators with running statistics, and the positions of the statistics among their arguments."""


def program_nodes(module: nn.Module) -> Iterator[Any]:
    """Yield the nodes of a program, none for a part without a graph."""
    graph = getattr(module, "inlined_graph", None)
    if graph is not None:
        yield from _nodes(graph)


def _nodes(block: Any) -> Iterator[Any]:
    """Yield the nodes of a graph or block, including those in branches, loops and forks."""
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from _nodes(inner)
        for name in node.attributeNames():
            if node.kindOf(name) == "g":
                yield from _nodes(node.g(name))


def operator_name(node: Any) -> str:
    """Return the name of the operator of a node."""
    return str(node.kind()).removeprefix("aten::")


def program_values(module: nn.Module) -> Iterator[object]:
    """Yield the constants, lists of numbers and attributes of a program.

    Running statistics are left out.
    """
    for node in program_nodes(module):
        if node.kind() == "prim::ListConstruct":
            numbers = [number.toIValue() for number in node.inputs()]
            yield [number for number in numbers if isinstance(number, float)]
        elif node.kind() in ("prim::Constant", "prim::GetAttr"):
            uses = node.output().uses()
            if not all(use.offset in STATISTICS.get(operator_name(use.user), ()) for use in uses):
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
