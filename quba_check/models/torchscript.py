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
from quba_check.models.network import Network

TRAIN_FLAGS = {
    "aten::batch_norm": 5,
    "aten::dropout": 2,
    "aten::feature_dropout": 2,
    "aten::alpha_dropout": 2,
}
"""Operators that act otherwise in train mode, with the position of the input that says so."""


def network_of_torchscript(path: Path, *, spec: str) -> Network:
    """The network of a TorchScript program.

    TorchScript is a language of its own: reading the file unpickles nothing and runs no Python, but its
    operators can do what torch can, such as reading files. What was scripted is put into eval mode. What
    was *traced* keeps the mode of the example, and a trace in train mode is refused. A frozen program keeps
    its weights as constants, which are counted instead of parameters.

    Args:
        path: the file.
        spec: the model's spec, for messages.

    Raises:
        ModelError: the file is damaged, holds a trace that was made in train mode, or no weights.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchScript is deprecated, which whoever made the file knows
            module = cast(nn.Module, torch.jit.load(path, map_location="cpu"))  # type: ignore[no-untyped-call]
    except Exception as error:  # the reader's errors are C++ ones of any type
        raise ModelError(f"{spec}: cannot be read as a TorchScript program ({described(error)}).") from error
    module.eval()
    nodes = list(_nodes(cast(Any, module).inlined_graph))
    training = next((node.kind() for node in nodes if _trains(node)), None)
    if training is not None:
        raise ModelError(
            f"{spec}: was traced in train mode ({training}), which eval mode cannot change. "
            "Trace it again after model.eval()."
        )
    if next(module.parameters(), None) is not None:
        return Network(module, sources=(path,))
    frozen = sum(constant.numel() for constant in _constants(nodes))
    if not frozen:
        raise ModelError(
            f"{spec}: holds no weights that can be counted, as quantised programs do not. "
            "Give the model as it was before, or package.module:callable."
        )
    note = f"{spec} is frozen: parameters counts the {frozen:,} numbers of its constants"
    return Network(module, sources=(path,), notes=(note,), parameters=frozen)


def _nodes(block: Any) -> Iterator[Any]:
    """The nodes of a graph or block, with those inside of branches and loops."""
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from _nodes(inner)


def _trains(node: Any) -> bool:
    """Whether a node acts as in training whatever mode the program is in."""
    position = TRAIN_FLAGS.get(node.kind())
    return position is not None and list(node.inputs())[position].toIValue() is True


def _constants(nodes: list[Any]) -> Iterator[torch.Tensor]:
    for node in nodes:
        if node.kind() == "prim::Constant" and node.hasAttribute("value") and node.kindOf("value") == "t":
            tensor: torch.Tensor = node.t("value")
            if tensor.is_floating_point() and tensor.ndim:
                yield tensor
